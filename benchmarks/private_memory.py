"""Memory of a process and its descendants, as Linux counts it: what would be free again if they ended, or all of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path


def private_bytes(process: int) -> int:
    """Return the unique set size of a process: its private pages, written or not; 0 once it has ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = [line.split() for line in text.splitlines() if line.startswith(("Private_Clean", "Private_Dirty"))]
    return 1024 * sum(int(words[1]) for words in lines)


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process, pages that it shares with others among it; 0 once it has ended."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def family(process: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [process]
    for parent in found:
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(word) for word in path.read_text(encoding="ascii").split()]
            except OSError:
                continue  # a thread or process that has just ended
    return found


def family_bytes() -> int:
    """Return the unique set size of this process and its descendants together."""
    return sum(private_bytes(process) for process in family(os.getpid()))


class PeakMemory:
    """Watches a process and its descendants from a thread while a `with` block runs.

    Args:
        seconds: Between two looks.
        of: The process; this one if not given.
        measure: What is added up over the processes, in bytes.

    Attributes:
        peak: The largest sum seen, in bytes.
    """

    def __init__(self, seconds: float = 0.05, of: int | None = None, measure: Callable[[int], int] = private_bytes):
        self.peak, self._seconds, self._ended = 0, seconds, threading.Event()
        self._process, self._measure = of or os.getpid(), measure
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds):
            self.peak = max(self.peak, self._now())

    def _now(self) -> int:
        return sum(self._measure(process) for process in family(self._process))

    def __enter__(self) -> PeakMemory:
        self.peak = self._now()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.peak = max(self.peak, self._now())
