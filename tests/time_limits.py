"""Limits on CPU seconds that hold on a slow machine too: they grow with what a fixed piece of work takes there."""

from __future__ import annotations

import hashlib
import time

UNHURRIED = 0.15
"""CPU seconds of `_piece` on a core with nothing else to do."""


def slower() -> float:
    """Return how many times slower this machine is at this moment than an unhurried one; at least 1.

    Measure it after the work that it judges: a machine that was busy then mostly still is.
    """
    began = time.process_time()
    _piece()
    return max(1.0, (time.process_time() - began) / UNHURRIED)


def _piece() -> int:
    """Work of the kinds that limits are set on: Python's own steps, dictionaries, hashes."""
    counts: dict[bytes, int] = {}
    for number in range(250_000):
        digest = hashlib.sha256(str(number % 1000).encode()).digest()
        counts[digest] = counts.get(digest, 0) + 1
    return len(counts)
