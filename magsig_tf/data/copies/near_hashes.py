"""Near-duplicates by perceptual hash alone: for data sets whose preparation did not look for copies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

NEAR_DUPLICATE_BITS = 2
_BLOCKS = [0xFFFF << shift for shift in (0, 16, 32, 48)]
_MASKS = [np.uint64(one | other) for one, other in combinations(_BLOCKS, 2)]
_AT_ONCE = 2**20


def near_duplicates(first: pd.Series, second: pd.Series) -> int:
    """Return how many pairs of 64-bit perceptual hashes differ by two bits at most.

    Cut into four blocks, two hashes that differ by two bits agree in at least two blocks: only hashes that share the
    bits of such a pair of blocks are compared, since comparing all pairs takes minutes for 100,000 images.

    Args:
        first: Hashes of one side, 16 hex digits each.
        second: Hashes of the other side.
    """
    # many pictures of one hash (blank tiles) count as many pairs but are compared once
    left, left_counts = _distinct(first)
    right, right_counts = _distinct(second)
    count = 0
    for position, mask in enumerate(_MASKS):
        for i, j in _sharing(left & mask, right & mask):
            differing = left[i] ^ right[j]
            near = np.bitwise_count(differing) <= NEAR_DUPLICATE_BITS
            for earlier in _MASKS[:position]:
                near &= (differing & earlier) != 0
            count += int((left_counts[i[near]] * right_counts[j[near]]).sum())
    return count


def _sharing(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the positions (i, j) of equal keys, at most `_AT_ONCE` pairs (or those of one i) at a time."""
    order = np.argsort(right, kind="stable")
    begin = np.searchsorted(right[order], left, "left")
    partners = np.searchsorted(right[order], left, "right") - begin
    matched = np.flatnonzero(partners)
    ends = np.cumsum(partners[matched])
    start = 0
    while start < len(matched):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
        chunk = matched[start:stop]
        i = np.repeat(chunk, partners[chunk])
        within = np.arange(len(i)) - np.repeat(ends[start:stop] - partners[chunk] - done, partners[chunk])
        yield i, order[begin[i] + within]
        start = stop


def _distinct(hashes: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(np.array([int(text, 16) for text in hashes], dtype=np.uint64), return_counts=True)
