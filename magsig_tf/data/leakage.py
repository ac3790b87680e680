"""The leakage check that runs on every split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.errors import DataError

NEAR_DUPLICATE_BITS = 2
_CHUNK = 2048
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
    """Return how many pairs of 64-bit perceptual hashes (16 hex digits each) differ by two bits at most."""
    left, right = _as_integers(first), _as_integers(second)
    count = 0
    for start in range(0, len(left), _CHUNK):
        differing = np.bitwise_count(left[start : start + _CHUNK, None] ^ right[None, :])
        count += int((differing <= NEAR_DUPLICATE_BITS).sum())
    return count


def _as_integers(hashes: pd.Series) -> np.ndarray:
    return np.array([int(text, 16) for text in hashes], dtype=np.uint64)
