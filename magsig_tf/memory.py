"""The memory that this process may still take: of the machine, of its control group, and of its own limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

UNKNOWN = 2**62
"""What is returned where nothing says how much there is."""


def available_memory(system: Path = Path("/")) -> int:
    """Return how many bytes this process may still take.

    The smallest of what the machine has free, what each control group above this process allows (containers), and the
    limit of the process itself (`ulimit -v`).

    Args:
        system: Where `proc` and `sys` lie; tests pass another folder.
    """
    return max(0, min([UNKNOWN, *_of_the_machine(system), *_of_the_groups(system), *_of_the_process(system)]))


def _of_the_machine(system: Path) -> Iterator[int]:
    for line in _text(system / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_the_groups(system: Path) -> Iterator[int]:
    root = system / "sys/fs/cgroup"
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        top, limit, used = (root, "memory.max", "memory.current")
        if controllers:
            top, limit, used = (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        place = top / name.lstrip("/")
        # a group's limit holds for all groups below it
        for folder in (place, *place.parents):
            most, taken = _text(folder / limit).strip(), _text(folder / used).strip()
            if most.isdigit() and taken.isdigit():
                # files that were read count as taken, and are given back when memory is asked for
                yield int(most) - max(0, int(taken) - _given_back(folder))
            if folder == top:
                break


def _given_back(folder: Path) -> int:
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    counts = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
    return counts.get("total_inactive_file", counts.get("inactive_file", 0))


def _of_the_process(system: Path) -> Iterator[int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(system / "proc/self/statm").split()
    if limit != resource.RLIM_INFINITY:
        yield limit - (int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
