"""Whole cases dealt into folds: the patient folds of a study, and those of a cross-validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.errors import DataError
from magsig_tf.seeding import generator_for


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
        raise DataError(
            f"Expected at least as many cases as folds ({folds})",
            f"found {len(names_of_cases)}",
            "Use fewer folds, or rows of more cases",
        )
    for value in np.unique(label_of_case):
        members = np.flatnonzero(label_of_case == value)
        if len(members) < 2:
            raise DataError(
                "Expected both classes in every training fold",
                f"found only one {'malignant' if value else 'benign'} case ({names_of_cases[members[0]]})",
                "Add cases of that class",
            )


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
        raise DataError(
            "Expected one label for each case (or set of cases with identical images)",
            f"found both labels in {names[place[mixed[0]]]}",
            "Correct the labels",
        )
    return names, label[first], first, place
