"""What a split must keep together, and the check for leaks that runs on every split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from magsig_tf.errors import DataError


def merge_identical_cases(cases: pd.Series, pixel_sha256: pd.Series) -> tuple[pd.Series, int]:
    """Return a group name for each row: its case, or the first of all cases linked to it by identical pixels.

    Args:
        cases: Case (or slide) of each row.
        pixel_sha256: Hash of each row's pixels.

    Returns:
        The group of each row, and the number of cases that were merged into another.
    """
    case_codes, names = pd.factorize(cases, sort=True)
    image_codes, images = pd.factorize(pixel_sha256)
    # a graph whose nodes are cases and images: its components are what has to stay together
    size = len(names) + len(images)
    links = coo_array((np.ones(len(case_codes)), (case_codes, image_codes + len(names))), shape=(size, size))
    _, component = connected_components(links, directed=False)
    first_name: dict[int, str] = {}
    for name, label in zip(names, component[: len(names)], strict=True):
        first_name.setdefault(label, name)
    groups = np.array([first_name[label] for label in component[: len(names)]], dtype=object)
    return pd.Series(groups[case_codes], index=cases.index), len(names) - len(first_name)


NEAR_DUPLICATE_BITS = 2
_BLOCKS = [0xFFFF << shift for shift in (0, 16, 32, 48)]
_MASKS = [np.uint64(one | other) for one, other in combinations(_BLOCKS, 2)]
_AT_ONCE = 2**20
_SIDES = {"train": ("train",), "validation": ("validation", "validation_holdout"), "test": ("test", "in_domain_test")}


def check_no_leak(study: pd.DataFrame, rows: dict[str, np.ndarray]) -> list[str]:
    """Refuse a split in which a group is on two sides; warn of near-duplicate images across sides.

    Args:
        study: Manifest rows with the columns `group` and `perceptual_hash`, indexed by row number.
        rows: Part name to row numbers.

    Returns:
        Warnings, as sentences.

    Raises:
        DataError: a group is on two sides.
    """
    sides = {side: np.concatenate([rows[part] for part in parts]) for side, parts in _SIDES.items()}
    warnings = []
    names = list(sides)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            both = set(study.loc[sides[first], "group"]) & set(study.loc[sides[second], "group"])
            if both:
                raise DataError(
                    "Expected every case on one side of a split",
                    f"found {min(both)} in {first} and in {second}",
                    "This is a defect of the split: please report it",
                )
            pairs = near_duplicates(
                study.loc[sides[first], "perceptual_hash"], study.loc[sides[second], "perceptual_hash"]
            )
            if pairs:
                warnings.append(
                    f"{pairs} image pairs of different cases in {first} and {second} are near-duplicates "
                    f"(perceptual hash within {NEAR_DUPLICATE_BITS} bits)"
                )
    return warnings


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
