"""Files appear whole or not at all, and one process at a time is at work on them.

A file is written to a temporary name beside its place and renamed. A lock file is held through the kernel, so that a
killed process never leaves it locked.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from magsig_tf.errors import MagsigError, RunError, in_one_line


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    with _place_of(path) as place:
        # the suffix stays last: writers such as numpy append one when it is missing
        temporary = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.tmp{place.suffix}")
        try:
            yield temporary
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, place)
        finally:
            with contextlib.suppress(OSError):  # what could not be made need not be removed
                temporary.unlink()


@contextlib.contextmanager
def growing(path: Path, keep: int = 0) -> Iterator[TextIO]:
    """Yield a text file that grows beside `path`; rename it to `path` when the block ends well, leave it otherwise.

    Args:
        path: The file that is meant; what grows is `partial_path(path)`.
        keep: Bytes of an earlier, unfinished one to keep; the block goes on behind them.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    with _place_of(path) as place:
        with open(partial_path(place), "r+" if keep else "w", encoding="utf-8", newline="") as handle:
            handle.truncate(keep)
            handle.seek(keep)
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial_path(place), place)


@contextlib.contextmanager
def _place_of(path: Path) -> Iterator[Path]:
    """Yield where a file is to lie, its folder made."""
    # a link leads to the file that is meant; renaming would replace the link itself
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    with writing(path):
        if path.exists() and not path.is_file():
            expected = f"Expected a place for a file at {path}"
            raise MagsigError(expected, "found a folder, device or pipe", "Choose another place")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path


def partial_path(path: Path) -> Path:
    """Return the name under which a file grows until it is whole."""
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn an error of the operating system into one that says what to do.

    Args:
        path: What the block writes.

    Raises:
        MagsigError: it cannot be written (read-only, disk full).
    """
    try:
        yield
    except OSError as error:
        remedy = "Free space or choose another --workspace"
        raise MagsigError(f"Expected to write {path}", f"found: {error.strerror or error}", remedy) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as indented JSON (NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object from a file.

    Raises:
        MagsigError: the file cannot be read or is no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        found = f"a {type(value).__name__}"
    # ValueError: no JSON, no UTF-8, or a number of thousands of digits; RecursionError: ten thousand brackets
    except (OSError, ValueError, RecursionError) as error:
        found = in_one_line(error)
    remedy = "Remove the file and repeat the command that wrote it"
    raise MagsigError(f"Expected JSON in {path}", f"found: {found}", remedy)


@contextlib.contextmanager
def holding(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    The lock is `flock`'s: the kernel drops it when the process ends, however it ends. The file itself says who holds
    it and may stay behind after a kill, which locks nobody out. Processes made with a bare `fork` inherit the lock.

    Args:
        path: The lock file; its folder is made where needed.
        what: What is being held, for the message of the one who comes second, for example "data set 'breakhis'".

    Raises:
        RunError: another process holds it; the message names its process id, host and since when.
        MagsigError: the file cannot be written, or the file system knows no locks.
    """
    path = Path(path)
    handle = _acquire(path, what)
    try:
        yield
    finally:
        # removed while still held, so that no other process can be holding what is removed
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, what: str) -> int:
    while True:
        with writing(f"the lock file {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the former holder may have removed the file between our open and our lock: then we hold a ghost
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    _sign(handle)
                    return handle
        except OSError as error:
            holder = _holder(handle)
            os.close(handle)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                remedy = "Choose a --workspace on a disk that has file locks"
                raise MagsigError(f"Expected to lock {path}", f"found: {error.strerror or error}", remedy) from error
            remedy = "Wait for it to end, or stop it"
            raise RunError(f"Expected {what} to be free", f"found it held by {holder}", remedy) from error
        os.close(handle)


def _sign(handle: int) -> None:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
    with contextlib.suppress(OSError):  # the lock holds without its signature, which a full disk does not take
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
