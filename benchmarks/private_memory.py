"""Memory that a process has to itself, as Linux counts it: what would be free again if it ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def private_bytes(process: int) -> int:
    """Return the unique set size of a process: its private pages, written or not; 0 once it has ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = [line.split() for line in text.splitlines() if line.startswith(("Private_Clean", "Private_Dirty"))]
    return 1024 * sum(int(words[1]) for words in lines)


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
    """Watches `family_bytes` from a thread while a `with` block runs.

    Attributes:
        peak: The largest value seen, in bytes.
    """

    def __init__(self, seconds: float = 0.05):
        self.peak, self._seconds, self._ended = 0, seconds, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds):
            self.peak = max(self.peak, family_bytes())

    def __enter__(self) -> PeakMemory:
        self.peak = family_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.peak = max(self.peak, family_bytes())
