"""One process at a time is at work on an output, and what a killed one left in a folder is told from what lives.

Locks are `flock`'s: the kernel drops them when a process ends, however it ends. Whoever finds a file of ours that
nobody holds knows that its writer is gone.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from magsig_tf.errors import MagsigError, RunError, of_system, writing

FOREIGN_AGE = 24 * 3600.0
"""Seconds after which a temporary file of another host counts as left: its locks may not reach here."""
_LONGEST = 120
"""Bytes of a file's name that the names of its lock and of its temporary files repeat."""
_LONGEST_SUFFIX = 20
_LEFT = re.compile(r"\..*\.magsig-(?P<host>[0-9a-f]{8})-[0-9a-f]{8}\.tmp(\.[^.]*)?|\.(.*\.)?magsig\.lock", re.DOTALL)


class HeldError(RunError):
    """Another process holds what is wanted.

    Args:
        what: What was wanted.
        holder: Who holds it.
        path: The lock file.
    """

    def __init__(self, what: str, holder: str, path: Path) -> None:
        super().__init__(f"Expected {what} to be free", f"found it held by {holder}", "Wait for it to end, or stop it")
        self.what, self.holder, self.path = what, holder, path

    def __reduce__(self) -> tuple[type[HeldError], tuple[str, str, Path]]:  # type: ignore[override]
        return type(self), (self.what, self.holder, self.path)


def say(text: str) -> None:
    """Tell that somebody is waited for: one line on standard error, unless the program has set its own logging up."""
    logging.getLogger("magsig_tf").warning("%s", text)


@contextlib.contextmanager
def holding(path: Path, what: str, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    The file says who holds it. It is removed in the end, and may stay behind after a kill, which locks nobody out.
    Processes made with a bare `fork` inherit the lock.

    Args:
        path: The lock file; its folder is made where needed.
        what: What is being held, for the message of the one who comes second, for example "data set 'breakhis'".
        wait: Wait where another process holds it; told in one line for whom. None refuses.

    Raises:
        HeldError: another process holds it; the message names its process id, host and since when.
        MagsigError: the file cannot be written, or the file system knows no locks.
    """
    path = Path(path)
    handle = _acquire(path, what, wait)
    try:
        yield
    finally:
        # removed while still held, so that no other process can be holding what is removed
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def holding_file(path: Path, wait: Callable[[str], None] | None = None) -> contextlib.AbstractContextManager[None]:
    """Hold one output file, under whichever name it is reached, through a hidden lock file beside it.

    Args:
        path: The file that is to be written; it need not exist.
        wait: As for `holding`.

    Raises:
        HeldError: another process is writing it.
        MagsigError: no file can be written there.
    """
    place = Path(os.path.realpath(path))
    refuse_no_file(place)
    return holding(place.with_name(f".{short(place.name)}.magsig.lock"), f"the output {path}", wait)


def holding_folder(folder: Path, wait: Callable[[str], None] | None = say) -> contextlib.AbstractContextManager[None]:
    """Hold a folder of results while several files of it are written, or read as one.

    Args:
        folder: The folder, made where it is missing.
        wait: As for `holding`; by default a second process waits.

    Raises:
        HeldError: another process is writing there, and it is not to be waited for.
        MagsigError: the folder cannot be written.
    """
    return holding(Path(os.path.realpath(folder)) / ".magsig.lock", f"the results in {folder}", wait)


def refuse_no_file(path: Path) -> None:
    """Refuse a place where something lies that is no file.

    Raises:
        MagsigError: it is a folder, a device or a pipe.
    """
    if path.exists() and not path.is_file():
        expected = f"Expected a place for a file at {path}"
        raise MagsigError(expected, "found a folder, device or pipe", "Choose another place")


def short(name: str) -> str:
    """Return a name, or as much of a long one as leaves room to add to it, told apart by a hash."""
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return name
    return f"{encoded[:_LONGEST].decode('utf-8', 'ignore')}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def new_temporary(place: Path) -> tuple[Path, int]:
    """Make a temporary file beside a place, held by this process; return its path and a descriptor to be closed.

    Args:
        place: What it will become. The suffix stays last: writers such as numpy append one when it is missing.
    """
    suffix = place.suffix if len(place.suffix) <= _LONGEST_SUFFIX else ""
    while True:
        name = f".{short(place.stem)}.magsig-{_host()}-{uuid.uuid4().hex[:8]}.tmp{suffix}"
        path = place.with_name(name)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):  # one who sweeps came between the two
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return path, handle
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the temporary files and locks of ours whose process has ended; nothing that lives, nothing of others."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if ".magsig" in name and (match := _LEFT.fullmatch(name)):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(folder, name), match["host"])


def _remove_if_left(path: Path, host: str | None) -> None:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(handle)
        foreign = host != _host() if host else _signature(handle).get("host", socket.gethostname()) != _name()
        young = time.time() - found.st_mtime < FOREIGN_AGE
        # removed while held, and only what still has that name: another may have taken its place
        if stat.S_ISREG(found.st_mode) and not (foreign and young) and os.path.samestat(found, os.lstat(path)):
            path.unlink()
    finally:
        os.close(handle)


def _name() -> str:
    return socket.gethostname()


def _host() -> str:
    return hashlib.sha256(_name().encode("utf-8", "replace")).hexdigest()[:8]


def _acquire(path: Path, what: str, wait: Callable[[str], None] | None) -> int:
    while True:
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, path, what, wait)
            # the former holder may have removed the file between our open and our lock: then we hold a ghost
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    _sign(handle)
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path, what: str, wait: Callable[[str], None] | None) -> None:
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            holder = _holder(handle)
            if wait is None:
                raise HeldError(what, holder, path) from error
            wait(f"Waiting for {what}: held by {holder}.")
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        remedy = "Choose a place on a disk that has file locks, such as another --workspace"
        raise MagsigError(f"Expected to lock {path}", f"found: {of_system(error)}", remedy) from error


def _sign(handle: int) -> None:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": _name(), "since": since})
    with contextlib.suppress(OSError):  # the lock holds without its signature, which a full disk does not take
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)


def _signature(handle: int) -> dict[str, object]:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _holder(handle: int) -> str:
    who = _signature(handle)
    if not {"pid", "host", "since"} <= who.keys():
        return "another process"
    return f"process {who['pid']} on {who['host']} since {who['since']}"
