"""L2-penalised logistic regression of a standardised embedding along a path of penalties, each with its certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.errors import DataError, UsageError, nearest
from magsig_tf.linear_models.ridge_solver import RidgeSolver
from magsig_tf.linear_models.sparse_path import check_penalties, check_rows

ROW_WEIGHTS = ("none", "case", "class x magnification")
"""Rules by which rows count; see `row_weights`."""


def row_weights(rule: str, labels: np.ndarray, case: np.ndarray, magnification: np.ndarray) -> np.ndarray:
    """Return how much each row counts, (n,), above 0, mean 1.

    Args:
        rule: "none": all rows alike. "case": all cases alike, whatever their number of images. "class x magnification":
            all cells of class and magnification that have a row alike; a cell of one row then counts as much as one of
            a thousand.
        labels: (n,), n at least 1.
        case: Name of each row's case, (n,); read by "case" alone.
        magnification: (n,).

    Raises:
        UsageError: no such rule.
    """
    if rule not in ROW_WEIGHTS:
        raise UsageError("Expected a rule of row weights", f"found {rule!r}", nearest(rule, ROW_WEIGHTS))
    if rule == "none":
        return np.ones(len(labels))
    cell = _positions(case)
    if rule == "class x magnification":
        by_magnification = _positions(magnification)
        cell = _positions(labels) * (by_magnification.max() + 1) + by_magnification
    weights = 1 / np.bincount(cell)[cell]
    return weights / weights.mean()


def _positions(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


TOLERANCE = 1e-10
"""Duality gap to reach, as a share of the objective: steps near the minimum are so effective that this costs little."""


@dataclass(frozen=True)
class RidgePath:
    """Solutions of min over (w, b) of weighted mean log-loss + penalty / 2 * |w|^2, one a penalty; b is not penalised.

    Args:
        penalties: Descending, (points,).
        coefficients: (points, p).
        intercepts: (points,).
        objectives: Value reached at each penalty, in nats, (points,).
        gradient_norms: Euclidean norm of the objective's gradient over w, (points,); its derivative over b is 0 but for
            rounding.
        steps: Each one product with the features and one with their transpose, (points,).
        rows: Number n of rows that the path was fitted to.
        tolerance: Largest share of the objective that a duality gap was to have.
    """

    penalties: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    objectives: np.ndarray
    gradient_norms: np.ndarray
    steps: np.ndarray
    rows: int
    tolerance: float

    @property
    def gaps(self) -> np.ndarray:
        """Duality gap as a share of the objective, (points,): no solution has an objective lower by more than this.

        With residuals r of mean 0 as dual variables the gap is |gradient|^2 / (2 * penalty); the coefficients are then
        no farther than |gradient| / penalty from those of the minimum.
        """
        return self.gradient_norms**2 / (2 * self.penalties * self.objectives)

    @property
    def converged(self) -> np.ndarray:
        """Whether each gap is within the tolerance, (points,); False where rounding or `MOST_STEPS` ended it."""
        return self.gaps <= self.tolerance

    @property
    def strengths(self) -> np.ndarray:
        """scikit-learn's C of each penalty, 1 / (rows * penalty), (points,)."""
        return 1 / (self.rows * self.penalties)

    def decision(self, features: np.ndarray) -> np.ndarray:
        """Return the logit of class 1 at every penalty, float64 (m, points).

        Args:
            features: On the scale of those that were fitted, (m, p).

        Raises:
            DataError: another number of dimensions.
        """
        dimensions = self.coefficients.shape[1]
        if np.ndim(features) != 2 or features.shape[1] != dimensions:
            found = f"found shape {np.shape(features)}"
            raise DataError(f"Expected embeddings of length {dimensions}", found, "Use those of the fitted encoder")
        with threadpool_limits(limits=1):
            return np.asarray(features, np.float64) @ self.coefficients.T + self.intercepts


def fit_ridge_path(
    features: np.ndarray,
    labels: np.ndarray,
    penalties: np.ndarray,
    weights: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
) -> RidgePath:
    """Fit the path, each penalty starting from the solution of the one before.

    A penalty is done when the norm of the gradient over w is at most sqrt(2 * penalty * tolerance * objective), at
    which the duality gap is at most tolerance * objective. One BLAS thread is used, so that the result does not depend
    on the number of cores, and so that paths can run beside each other. Classes that a plane separates have a solution
    like any other; a constant dimension, if centred, has a coefficient of 0, and equal ones share theirs.

    Args:
        features: Standardised embedding, float (n, p), finite, p at least 1, fewer or more than n.
        labels: 0 or 1, (n,), both present.
        penalties: Descending, above 0, (points,); scikit-learn's C is 1 / (n * penalty).
        weights: How much each row counts, at least 0, (n,), each class above 0 in sum; they are scaled to mean 1. None
            means alike.
        tolerance: Duality gap to reach, as a share of the objective, above 0.

    Raises:
        DataError: the arrays do not fit together, a value is not finite, a class is empty or counts nothing, or the
            penalties are no path.
        UsageError: a tolerance of 0 or less.
    """
    features, labels, penalties = np.asarray(features), np.asarray(labels), np.asarray(penalties, np.float64)
    check_rows(features, labels)
    check_penalties(penalties)
    if not features.shape[1]:
        raise DataError("Expected at least one dimension", "found none", "Check the embedding")
    if not tolerance > 0:
        raise UsageError("Expected a tolerance above 0", f"found {tolerance}", "Use 1e-10, say")
    weights = _checked(weights, labels)
    with threadpool_limits(limits=1):
        solver = RidgeSolver(features.astype(np.float64, copy=False), labels, weights)
        return _solved(solver, penalties, len(labels), tolerance)


def _solved(solver: RidgeSolver, penalties: np.ndarray, rows: int, tolerance: float) -> RidgePath:
    steps, coefficients, numbers = [], [], []
    for penalty in penalties:
        steps.append(solver.solve(float(penalty), tolerance))
        coefficients.append(solver.coefficients)
        numbers.append((solver.intercept, solver.objective, solver.gradient_norm))
    intercepts, objectives, norms = np.array(numbers).T
    return RidgePath(penalties, np.stack(coefficients), intercepts, objectives, norms, np.array(steps), rows, tolerance)


def _checked(weights: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    """Return weights of mean 1, or say why these are none."""
    if weights is None:
        return np.ones(len(labels))
    weights = np.asarray(weights, np.float64)
    if weights.shape != labels.shape:
        found = f"found shapes {weights.shape} and {labels.shape}"
        raise DataError("Expected one weight for each row", found, "Give a weight for each label")
    broken = np.count_nonzero(~np.isfinite(weights) | (weights < 0))
    if broken:
        found = f"found {broken} of {len(weights)} that are negative, NaN or infinite"
        raise DataError("Expected weights of 0 or more", found, "Mend them or leave those rows out")
    for value, name in ((0, "benign (0)"), (1, "malignant (1)")):
        if not weights[labels == value].any():
            raise DataError("Expected weight on rows of both classes", f"found none on {name}", "Raise some of them")
    return weights / weights.mean()
