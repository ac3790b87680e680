"""Whole cases: drawn again, halved, and dealt into folds; a case brings all its rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

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
        found = f"found {' and '.join(str(len(members)) for members in strata)}"
        raise DataError("Expected at least two benign and two malignant cases to halve", found, "Train on more cases")
    for pair in range(pairs):
        generator = generator_for("complementary halves", *names, pair)
        orders = [generator.permutation(members) for members in strata]
        one = [index for order in orders for index in order[: len(order) // 2]]
        other = [index for order in orders for index in order[len(order) // 2 : len(order) // 2 * 2]]
        yield np.concatenate([rows[index] for index in one]), np.concatenate([rows[index] for index in other])


def _cases_by_label(label: np.ndarray, case: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the positions of the cases of each label, and the rows of each case; a case with two labels is two."""
    label, case = np.asarray(label), np.asarray(case).astype(str)
    _, code = np.unique(case, return_inverse=True)
    keys, unit = np.unique(np.column_stack([label, code]), axis=0, return_inverse=True)
    rows = [np.flatnonzero(unit.ravel() == place) for place in range(len(keys))]
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
    return case_multiplicities(np.zeros(cases), replicates, *names, purpose="gan quality bootstrap")


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


FEWEST_CASES = 5
"""With fewer cases than this in a class no interval is given."""

MANY_CASES = 30
"""Below this many cases an interval is likely too narrow."""


def case_multiplicities(strata: np.ndarray, replicates: int, *names: object, purpose: str = "bootstrap") -> np.ndarray:
    """Draw how often each case appears in each bootstrap replicate.

    Cases are drawn with replacement within their stratum (their label), as many as the stratum has. One draw serves all
    images, folds, holdouts, seeds and methods, which makes every comparison paired.

    Args:
        strata: Label of each case, shape (cases,).
        replicates: Number B of replicates.
        names: What the draw is for; the seed is `seed_for(purpose, *names)`.
        purpose: Of all draws of a kind.

    Returns:
        Float64 whole numbers of shape (B + 1, cases). Row 0 is the sample itself (all ones), so that one calculation
        gives the value and its replicates.
    """
    generator = generator_for(purpose, *names)
    drawn = np.ones((replicates + 1, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        drawn[1:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), replicates)
    return drawn


def deal_cases(
    label: ArrayLike,
    case: ArrayLike,
    folds: int,
    *names: object,
    shuffled_by_label: bool = True,
    stratum: np.ndarray | None = None,
) -> np.ndarray:
    """Return the fold of each row; rows of a case share it.

    Cases are shuffled and dealt in turn, one label after the other. Each label goes on where the one before it stopped,
    so that folds differ by one case at most. The deal depends on the names of the cases and not on the order of rows.

    Args:
        label: Of each row, (n,).
        case: Name of each row's case, (n,).
        folds: At least 2.
        names: What the deal is for; its seed is `seed_for(*names, label)`.
        shuffled_by_label: False shuffles all cases at once, with the seed `seed_for(*names)`, before they are put in
            the order of their labels.
        stratum: Number of each row's stratum, the same for all rows of a case, (n,): within a label, cases of a stratum
            are dealt before those of the next one, so that each stratum is spread over the folds too.

    Returns:
        Integers in [0, folds), (n,).

    Raises:
        DataError: a case has two labels.
    """
    names_of_cases, label_of_case, first, place = _cases(label, case)
    if shuffled_by_label:
        members = [np.flatnonzero(label_of_case == value) for value in np.unique(label_of_case)]
        shuffled = [generator_for(*names, label_of_case[some[0]]).permutation(some) for some in members]
        order = np.concatenate([np.empty(0, np.int64), *shuffled])
    else:
        order = generator_for(*names).permutation(len(names_of_cases))
    strata = np.zeros(len(first), np.int64) if stratum is None else np.asarray(stratum)[first]
    _, rank = np.unique(label_of_case, return_inverse=True)
    order = order[np.lexsort((strata[order], rank[order]))]  # stable: the shuffle decides within a stratum
    fold_of_case = np.empty(len(order), np.int64)
    fold_of_case[order] = np.arange(len(order)) % folds
    return fold_of_case[place]


def check_folds(label: np.ndarray, case: np.ndarray, folds: int) -> None:
    """Refuse cases of which some fold cannot be held out from rows of both classes.

    Args:
        label: 0 or 1, (n,).
        case: Name of each row's case, (n,).
        folds: Number of folds.

    Raises:
        DataError: a case has both labels, there are fewer cases than folds, or a training fold lacks a class.
    """
    names_of_cases, label_of_case, _, _ = _cases(label, case)
    if len(names_of_cases) < folds:
        expected = f"Expected at least as many cases as folds ({folds})"
        raise DataError(expected, f"found {len(names_of_cases)}", "Use fewer folds, or rows of more cases")
    values, first, count = np.unique(label_of_case, return_index=True, return_counts=True)
    for value, name in zip(values[count < 2], names_of_cases[first[count < 2]], strict=True):
        found = f"found only one {'malignant' if value else 'benign'} case ({name})"
        raise DataError("Expected both classes in every training fold", found, "Add cases of that class")


def deal_cases_of_many_classes(target: np.ndarray, case: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row where a case has rows of several classes; rows of a case share it.

    Args:
        target: Class of each row, 0 to K - 1, (n,); each class has `folds` rows at least.
        case: Of each row, (n,).
        folds: At least 2.
        seed: Of the deal.

    Returns:
        Integers in [0, folds), (n,): shares of the classes are as even as whole cases allow, and a fold may be empty.

    Source: scikit-learn's `StratifiedGroupKFold`.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(target), np.int64)
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(target, target, case)
    for number, (_, held) in enumerate(splits):
        fold[held] = number
    return fold


def check_one_label(label: ArrayLike, case: ArrayLike) -> None:
    """Refuse a case with two labels.

    Args:
        label: Of each row, (n,).
        case: Name of each row's case, (n,).

    Raises:
        DataError: there is one.
    """
    _cases(label, case)


def _cases(label: ArrayLike, case: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the names of the cases in order, their labels, the first row of each, and the place of each row's case."""
    label = np.asarray(label)
    names, first, place = np.unique(np.asarray(case).astype(str), return_index=True, return_inverse=True)
    mixed = np.flatnonzero(label[first][place] != label)
    if len(mixed):
        expected = "Expected one label for each case (or set of cases with identical images)"
        raise DataError(expected, f"found both labels in {names[place[mixed[0]]]}", "Correct the labels")
    return names, label[first], first, place
