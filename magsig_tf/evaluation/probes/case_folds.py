"""Folds for the cross-validation of a probe: whole cases, never images."""

from __future__ import annotations

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.reasons import FEWER_CASES_THAN_FOLDS
from magsig_tf.seeding import generator_for

FOLDS = 5


def case_folds(case: np.ndarray, label: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """Deal cases into folds, each label spread evenly over them.

    The same cases are dealt the same way whatever the embedding, so methods and controls are probed on the same folds.

    Args:
        case: Name of each row's case, shape (n,).
        label: Label of each row, shape (n,); the first of a case counts.
        folds: Number of folds, at least 2.

    Returns:
        Fold of each row, whole numbers from 0 to folds - 1, shape (n,).

    Raises:
        NotDefinedError: there are fewer cases than folds.
    """
    names, first, position = np.unique(case, return_index=True, return_inverse=True)
    if len(names) < folds:
        raise NotDefinedError(
            f"Expected at least {folds} cases",
            f"found fewer cases than folds ({len(names)} of {folds})",
            "Probe more test cases",
            FEWER_CASES_THAN_FOLDS,
        )
    shuffled = generator_for("probe folds", folds).permutation(len(names))
    ordered = shuffled[np.argsort(label[first][shuffled], kind="stable")]
    fold = np.empty(len(names), np.int64)
    fold[ordered] = np.arange(len(names)) % folds
    return fold[position]


def standardised(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale both parts by mean and standard deviation of the training rows.

    Args:
        train: Shape (n, p).
        other: Shape (m, p).

    Returns:
        Both in float64; a dimension that is constant over the training rows is zero in both.
    """
    train, other = np.asarray(train, np.float64), np.asarray(other, np.float64)
    mean, deviation = train.mean(0), train.std(0)
    # rounding gives constant dimensions a deviation of a few ulp
    constant = deviation <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    return (train - mean) * scale, (other - mean) * scale
