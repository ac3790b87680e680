"""Whole cases dealt into cross-validation folds, stratified by label."""

from __future__ import annotations

import numpy as np

from magsig_tf.errors import DataError
from magsig_tf.seeding import generator_for


def deal_cases(label: np.ndarray, case: np.ndarray, folds: int, *names: object) -> np.ndarray:
    """Return the fold of each row; rows of a case share it.

    Cases of a label are shuffled and dealt in turn, the second label going on where the first stopped, so that folds
    differ by one case at most.

    Args:
        label: 0 or 1, (n,).
        case: Name of each row's case, (n,).
        folds: At least 2.
        names: What the deal is for; the seed is `seed_for("signature folds", *names, label)`.

    Returns:
        Integers in [0, folds), (n,).

    Raises:
        DataError: a case has both labels, there are fewer cases than folds, or a training fold lacks a class.
    """
    names_of_cases, first, place = np.unique(np.asarray(case).astype(str), return_index=True, return_inverse=True)
    label_of_case = np.asarray(label)[first]
    mixed = np.flatnonzero(np.bincount(place, label_of_case[place] != label, minlength=len(first)))
    if len(mixed):
        raise DataError(
            "Expected one label for each case", f"found both in {names_of_cases[mixed[0]]}", "Correct the labels"
        )
    if len(names_of_cases) < folds:
        raise DataError(
            f"Expected at least as many cases as folds ({folds})",
            f"found {len(names_of_cases)}",
            "Use fewer folds, or rows of more cases",
        )
    fold_of_case = np.empty(len(names_of_cases), np.int64)
    position = 0
    for value in np.unique(label_of_case):
        members = np.flatnonzero(label_of_case == value)
        shuffled = generator_for("signature folds", *names, value).permutation(members)
        fold_of_case[shuffled] = (position + np.arange(len(shuffled))) % folds
        position += len(shuffled)
        if len(members) < 2:
            raise DataError(
                "Expected both classes in every training fold",
                f"found only one {'malignant' if value else 'benign'} case ({names_of_cases[members[0]]})",
                "Add cases of that class",
            )
    return fold_of_case[place]
