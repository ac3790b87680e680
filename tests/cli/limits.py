"""A kernel that says no: full disks and read-only folders that are real, for root too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator

_CAPABILITY_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let every write of this process beyond `size` bytes of a file fail, as a quota or a full disk does (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Let permission bits bind this thread even where it is root's: two capabilities are put down for a while."""
    if os.geteuid() != 0:
        yield
        return
    header, sets = _Header(_CAPABILITY_VERSION, 0), (_Sets * 2)()
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function) -> None:
        if function(ctypes.byref(header), sets) != 0:
            raise OSError(ctypes.get_errno(), "capabilities cannot be changed")

    call(libc.capget)
    before = sets[0].effective
    sets[0].effective = before & ~(1 << _DAC_OVERRIDE) & ~(1 << _DAC_READ_SEARCH)
    call(libc.capset)
    try:
        yield
    finally:
        sets[0].effective = before
        call(libc.capset)


def can_mount() -> bool:
    """Return whether this user may give a process a disk of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
