"""Draws of whole cases: bootstraps and halves, as rows or as how often each case appears."""

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
        one, other = (np.concatenate([rows[index] for index in half]) for half in halves)
        yield one, other


def _cases_by_label(label: np.ndarray, case: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the positions of the cases of each label, and the rows of each case; a case with two labels is two."""
    label, case = np.asarray(label), np.asarray(case).astype(str)
    _, code = np.unique(case, return_inverse=True)
    keys, unit = np.unique(np.column_stack([label, code]), axis=0, return_inverse=True)
    unit = unit.ravel()
    order = np.argsort(unit, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(unit, minlength=len(keys)))[:-1])
    return [np.flatnonzero(keys[:, 0] == value) for value in np.unique(label)], rows


def bootstrap_draws(cases: int, replicates: int, *names: object) -> np.ndarray:
    """Draw how often each case appears in each replicate.

    Args:
        cases: Number C of cases, all of one label.
        replicates: Number B.
        names: Names that the seed derives from.

    Returns:
        Float64 whole numbers [B + 1, C]; row 0 is the sample itself.
    """
    generator = generator_for("gan quality bootstrap", *names)
    drawn = generator.multinomial(cases, np.full(cases, 1 / cases), replicates)
    return np.concatenate([np.ones((1, cases)), drawn])


def halves(cases: int, halvings: int, *names: object) -> np.ndarray:
    """Draw halves of the cases.

    Args:
        cases: Number C of cases.
        halvings: How many times.
        names: Names that the seed derives from.

    Returns:
        Bool [halvings, C]; C // 2 cases of each row are True.
    """
    generator = generator_for("gan quality halves", *names)
    return np.stack([generator.permutation(cases) < cases // 2 for _ in range(halvings)])


def resampled_means(values: np.ndarray, case: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the mean over images in every replicate.

    Args:
        values: One an image, shape (n,).
        case: Position of each image's case, shape (n,).
        draws: From `bootstrap_draws`, shape (R, C).

    Returns:
        Shape (R,).
    """
    return (draws @ np.bincount(case, values)) / (draws @ np.bincount(case))


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of replicates (Efron 1979), shape (B,); undefined ones are left out."""
    low, high = np.percentile(replicates[np.isfinite(replicates)], [2.5, 97.5])
    return float(low), float(high)
