"""L1-penalised logistic regression along a path of penalties: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.errors import DataError
from magsig_tf.linear_models.newton_path import NewtonPath

VALUES = 50
"""Penalties on a path."""
SMALLEST_SHARE = 1e-3
"""The last penalty of a path, as a share of the first."""
TOLERANCE = 1e-6
"""Duality gap to reach, as a share of the objective."""
COARSE_TOLERANCE = 1e-2
"""The same for the stations on the way to a single penalty, which nobody reads."""
COARSE_RATIO = 0.5
"""Ratio of neighbouring penalties on that way."""


@dataclass(frozen=True)
class SparsePath:
    """Solutions of min over (w, b) of mean log-loss + penalty * |w|_1, one for each penalty; b is not penalised.

    Args:
        penalties: Descending, (values,).
        coefficients: (values, p), exact zeros where a dimension is not selected.
        intercepts: (values,).
        gaps: Duality gap reached, as a share of the objective, (values,).
        rows: Number n of rows that the path was fitted to.
    """

    penalties: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    gaps: np.ndarray
    rows: int

    @property
    def sizes(self) -> np.ndarray:
        """Number of non-zero coefficients at each penalty, (values,)."""
        return np.count_nonzero(self.coefficients, axis=1)


def largest_penalty(features: np.ndarray, labels: np.ndarray) -> float:
    """Return lambda_max, the smallest penalty at which every coefficient is 0: max |x_j'(y - mean y)| / n.

    Args:
        features: Standardised embedding, (n, p).
        labels: 0 or 1, (n,), both present.
    """
    centred = labels - np.mean(labels)
    return float(np.abs(np.asarray(features, np.float64).T @ centred).max(initial=0.0)) / len(labels)


def penalty_path(largest: float, values: int = VALUES, smallest_share: float = SMALLEST_SHARE) -> np.ndarray:
    """Return penalties from `largest` down to `smallest_share * largest`, evenly spaced in the logarithm.

    Args:
        largest: lambda_max, above 0.
        values: How many, at least 1.
        smallest_share: In (0, 1).
    """
    return largest * np.geomspace(1.0, smallest_share, values)


def fit_sparse_path(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray | None = None, *, tolerance: float = TOLERANCE
) -> SparsePath:
    """Fit the path, each penalty starting from the solution of the one before.

    One BLAS thread is used, so that the result does not depend on the number of cores, and so that paths can run beside
    each other.

    Args:
        features: Standardised embedding, (n, p), finite.
        labels: 0 or 1, (n,), both present.
        penalties: Descending, above 0; None means `penalty_path(largest_penalty(features, labels))`.
        tolerance: Duality gap to reach, as a share of the objective.

    Raises:
        DataError: the arrays do not fit together, a value is not finite, a class is empty, or nothing varies.
    """
    check_rows(features, labels)
    with threadpool_limits(limits=1):
        solver = NewtonPath(features, labels)
        if penalties is None:
            if solver.largest_penalty <= 0:
                raise DataError(
                    "Expected a dimension that is related to the label",
                    f"found none of {features.shape[1]}",
                    "Check that the embedding is not constant",
                )
            penalties = penalty_path(solver.largest_penalty)
        penalties = np.asarray(penalties, np.float64)
        _check_penalties(penalties)
        coefficients = np.empty((len(penalties), features.shape[1]))
        intercepts, gaps = np.empty(len(penalties)), np.empty(len(penalties))
        for place, penalty in enumerate(penalties):
            gaps[place] = solver.solve(float(penalty), tolerance)
            coefficients[place], intercepts[place] = solver.coefficients, solver.intercept
    return SparsePath(penalties, coefficients, intercepts, gaps, len(labels))


def solve_at(features: np.ndarray, labels: np.ndarray, penalty: float, *, tolerance: float = TOLERANCE) -> SparsePath:
    """Fit a single penalty, quickly: over a few coarse stations instead of the whole path.

    Args:
        features: Standardised embedding, (n, p), finite.
        labels: 0 or 1, (n,), both present.
        penalty: Above 0.
        tolerance: Duality gap to reach, as a share of the objective.

    Returns:
        A path of this one penalty.

    Raises:
        DataError: the arrays do not fit together, a value is not finite, or a class is empty.
    """
    check_rows(features, labels)
    _check_penalties(np.array([penalty]))
    with threadpool_limits(limits=1):
        solver = NewtonPath(features, labels)
        station = solver.largest_penalty * COARSE_RATIO
        while station > penalty / COARSE_RATIO:
            solver.solve(station, COARSE_TOLERANCE)
            station *= COARSE_RATIO
        gap = solver.solve(penalty, tolerance)
    return SparsePath(
        np.array([penalty]),
        solver.coefficients[None].copy(),
        np.array([solver.intercept]),
        np.array([gap]),
        len(labels),
    )


def check_rows(features: np.ndarray, labels: np.ndarray) -> None:
    """Refuse what no sparse classifier can be fitted to.

    Args:
        features: Embedding, (n, p).
        labels: (n,).

    Raises:
        DataError: wrong shapes, a value that is not finite, labels other than 0 and 1, or an empty class.
    """
    if features.ndim != 2 or np.shape(labels) != (len(features),):
        raise DataError(
            "Expected an embedding of shape (n, p) with n labels",
            f"found shapes {features.shape} and {np.shape(labels)}",
            "Give one row and one label for each image",
        )
    broken = np.count_nonzero(~np.isfinite(features).all(axis=1))
    if broken:
        raise DataError(
            "Expected finite embeddings", f"found NaN or infinity in {broken} rows of {len(features)}", "Remove them"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError(
            "Expected labels 0 and 1", f"found {sorted(set(np.unique(labels)) - {0, 1})[:3]}", "Recode them"
        )
    for value, name in ((0, "benign (0)"), (1, "malignant (1)")):
        if not np.any(labels == value):
            raise DataError("Expected rows of both classes", f"found no {name} among {len(labels)}", "Add cases of it")


def _check_penalties(penalties: np.ndarray) -> None:
    if penalties.ndim != 1 or not len(penalties) or not (penalties > 0).all() or (np.diff(penalties) > 0).any():
        raise DataError("Expected penalties above 0, descending", f"found {penalties}", "Sort them from large to small")
