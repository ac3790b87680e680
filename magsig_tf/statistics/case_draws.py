"""Draws of cases for the stability of a selection: bootstraps, and pairs of complementary halves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from magsig_tf.errors import DataError
from magsig_tf.seeding import generator_for


def bootstrap_rows(label: np.ndarray, case: np.ndarray, draws: int, *names: object) -> Iterator[np.ndarray]:
    """Draw cases with replacement within benign and within malignant ones; a case brings all its rows.

    Args:
        label: 0 or 1 of each row, shape (n,).
        case: Case of each row, shape (n,).
        draws: Number B of bootstraps.
        names: What the draw is for; bootstrap b has the seed `seed_for("signature bootstrap", *names, b)`.

    Yields:
        Row numbers of one bootstrap, a row as often as its case was drawn.
    """
    strata, rows = _cases_by_label(label, case)
    for draw in range(draws):
        generator = generator_for("signature bootstrap", *names, draw)
        drawn = np.concatenate([generator.choice(members, len(members)) for members in strata])
        yield np.concatenate([rows[index] for index in drawn])


def complementary_halves(
    label: np.ndarray, case: np.ndarray, pairs: int, *names: object
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw pairs of halves of the cases without a common case, each with half of the benign and malignant ones.

    A class with an odd number of cases leaves one out of both halves.

    Args:
        label: 0 or 1 of each row, shape (n,).
        case: Case of each row, shape (n,).
        pairs: Number B of pairs.
        names: What the draw is for; pair b has the seed `seed_for("complementary halves", *names, b)`.

    Yields:
        Row numbers of the one half and of the other.

    Raises:
        DataError: a class has fewer than two cases.
    """
    strata, rows = _cases_by_label(label, case)
    if min(map(len, strata), default=0) < 2 or len(strata) < 2:
        raise DataError(
            "Expected at least two benign and two malignant cases to halve",
            f"found {' and '.join(str(len(members)) for members in strata)}",
            "Train on more cases",
        )
    for pair in range(pairs):
        generator = generator_for("complementary halves", *names, pair)
        orders = [generator.permutation(members) for members in strata]
        halves = [
            np.concatenate(
                [order[start : start + len(order) // 2] for order in orders for start in [len(order) // 2 * i]]
            )
            for i in (0, 1)
        ]
        yield tuple(np.concatenate([rows[index] for index in half]) for half in halves)


def _cases_by_label(label: np.ndarray, case: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the positions of the cases of each label, and the rows of each case; a case with two labels is two."""
    label, case = np.asarray(label), np.asarray(case).astype(str)
    _, code = np.unique(case, return_inverse=True)
    keys, unit = np.unique(np.column_stack([label, code]), axis=0, return_inverse=True)
    unit = unit.ravel()
    order = np.argsort(unit, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(unit, minlength=len(keys)))[:-1])
    return [np.flatnonzero(keys[:, 0] == value) for value in np.unique(label)], rows
