"""One process at a time: a lock file held through the kernel, so that a killed process never leaves it locked."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from magsig_tf.errors import MagsigError, RunError


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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise MagsigError(
                f"Expected to write the lock file {path}",
                f"found: {error.strerror or error}",
                "Free space or choose another --workspace",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the former holder may have removed the file between our open and our lock: then we hold a ghost
            if _same_file(handle, path):
                _sign(handle)
                return handle
        except OSError as error:
            holder = _holder(handle)
            os.close(handle)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise MagsigError(
                    f"Expected to lock {path}",
                    f"found: {error.strerror or error}",
                    "Choose a --workspace on a disk that has file locks",
                ) from error
            raise RunError(
                f"Expected {what} to be free", f"found it held by {holder}", "Wait for it to end, or stop it"
            ) from error
        os.close(handle)


def _same_file(handle: int, path: Path) -> bool:
    try:
        ours, there = os.fstat(handle), os.stat(path)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


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
