"""L1-penalised logistic regression of a standardised embedding: the path of penalties, and its cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.newton_path import NewtonPath
from magsig_tf.parallel_work import available_cores, map_in_order
from magsig_tf.statistics.cases import check_folds, deal_cases

ROUNDING = 1e-6
"""A dimension whose standard deviation is below this share of its largest value varies by float32 rounding alone."""


@dataclass(frozen=True)
class Scaling:
    """How each dimension is standardised.

    Args:
        mean: (p,).
        scale: Standard deviation (divisor n), (p,); 1 where a dimension is constant.
        constant: Whether a dimension does not vary, (p,).
    """

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    def apply(self, embedding: np.ndarray) -> np.ndarray:
        """Return the standardised embedding, float64 (n, p); constant dimensions are 0 throughout."""
        standardised = (np.asarray(embedding, np.float64) - self.mean) / self.scale
        standardised[:, self.constant] = 0.0
        return standardised


def fit_scaling(embedding: np.ndarray) -> Scaling:
    """Return the scaling of these rows.

    Args:
        embedding: Finite, (n, p), n at least 1.
    """
    embedding = np.asarray(embedding, np.float64)
    mean, deviation = embedding.mean(axis=0), embedding.std(axis=0)
    constant = deviation <= ROUNDING * np.abs(embedding).max(axis=0)
    return Scaling(mean, np.where(constant, 1.0, deviation), constant)


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
            remedy = "Check that the embedding is not constant"
            penalties = _penalties(solver.largest_penalty, f"found none of {features.shape[1]}", remedy)
        penalties = np.asarray(penalties, np.float64)
        check_penalties(penalties)
        return _solved(solver, penalties, tolerance, len(labels))


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
    penalties = np.array([penalty], np.float64)
    check_penalties(penalties)
    with threadpool_limits(limits=1):
        solver = NewtonPath(features, labels)
        station = solver.largest_penalty * COARSE_RATIO
        while station > penalty / COARSE_RATIO:
            solver.solve(station, COARSE_TOLERANCE)
            station *= COARSE_RATIO
        return _solved(solver, penalties, tolerance, len(labels))


def _solved(solver: NewtonPath, penalties: np.ndarray, tolerance: float, rows: int) -> SparsePath:
    coefficients = np.empty((len(penalties), len(solver.coefficients)))
    intercepts, gaps = np.empty(len(penalties)), np.empty(len(penalties))
    for place, penalty in enumerate(penalties):
        gaps[place] = solver.solve(float(penalty), tolerance)
        coefficients[place], intercepts[place] = solver.coefficients, solver.intercept
    return SparsePath(penalties, coefficients, intercepts, gaps, rows)


def _penalties(largest: float, found: str, remedy: str) -> np.ndarray:
    if largest <= 0:
        raise DataError("Expected a dimension that is related to the label", found, remedy)
    return penalty_path(largest)


def check_rows(features: np.ndarray, labels: np.ndarray) -> None:
    """Refuse what no sparse classifier can be fitted to.

    Args:
        features: Embedding, (n, p).
        labels: (n,).

    Raises:
        DataError: wrong shapes, a value that is not finite, labels other than 0 and 1, or an empty class.
    """
    if features.ndim != 2 or np.shape(labels) != (len(features),):
        found = f"found shapes {features.shape} and {np.shape(labels)}"
        remedy = "Give one row and one label for each image"
        raise DataError("Expected an embedding of shape (n, p) with n labels", found, remedy)
    broken = np.count_nonzero(~np.isfinite(features).all(axis=1))
    if broken:
        found = f"found NaN or infinity in {broken} rows of {len(features)}"
        raise DataError("Expected finite embeddings", found, "Leave those rows out")
    if not np.isin(labels, (0, 1)).all():
        others = sorted(set(np.unique(labels)) - {0, 1})
        raise DataError("Expected labels 0 and 1", f"found {others[:3]}", "Recode them")
    for value, name in ((0, "benign (0)"), (1, "malignant (1)")):
        if not np.any(labels == value):
            raise DataError("Expected rows of both classes", f"found no {name} among {len(labels)}", "Add cases of it")


def check_penalties(penalties: np.ndarray) -> None:
    """Refuse penalties that are no path: DataError unless they are finite, above 0 and descending."""
    good = penalties.ndim == 1 and len(penalties) and np.isfinite(penalties).all() and (penalties > 0).all()
    if not good or (np.diff(penalties) > 0).any():
        raise DataError("Expected penalties above 0, descending", f"found {penalties}", "Sort them from large to small")


FOLDS = 5
"""Folds of the cross-validation."""
FOLD_TOLERANCE = 1e-4
"""Duality gap inside a fold, as a share of the objective: far below what one fold's deviance differs from another's."""
WORTH_PROCESSES = 500_000
"""Below so many values (rows times dimensions) starting processes takes longer than the paths."""


@dataclass(frozen=True)
class CrossValidation:
    """Deviance along the path, fold by fold.

    Args:
        penalties: Descending, (values,).
        deviance: -2 times the mean log-likelihood of the held-out rows, (folds, values).
    """

    penalties: np.ndarray
    deviance: np.ndarray

    @property
    def mean_deviance(self) -> np.ndarray:
        """Mean over folds, (values,)."""
        return self.deviance.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard deviation over folds (divisor folds - 1) by the root of their number, (values,)."""
        return self.deviance.std(axis=0, ddof=1) / np.sqrt(len(self.deviance))

    @property
    def minimum(self) -> int:
        """Place of the smallest mean deviance; of equal ones the sparsest."""
        return int(np.argmin(self.mean_deviance))

    @property
    def one_standard_error(self) -> int:
        """Place of the sparsest model whose mean deviance is within one standard error of the smallest one."""
        least = self.minimum
        within = self.mean_deviance <= self.mean_deviance[least] + self.standard_error[least]
        return int(np.argmax(within))


def cross_validate(
    embedding: np.ndarray,
    label: np.ndarray,
    case: np.ndarray,
    *,
    folds: int = FOLDS,
    names: tuple[object, ...] = (),
    workers: int | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Scaling, SparsePath, CrossValidation]:
    """Fit the path to all rows, and to the rows of all folds but one in turn, at the same penalties.

    The embedding is standardised anew inside each fold.

    Args:
        embedding: Not standardised, finite, (n, p).
        label: 0 or 1, (n,).
        case: Name of each row's case, (n,).
        folds: At least 2.
        names: What this is for: they seed the deal of cases into folds.
        workers: Processes, each with one BLAS thread; 1 works in this one, None means one a core where it pays. As
            with every use of Python's processes, a script that asks for several needs `if __name__ == "__main__":`.
        tolerance: Duality gap to reach on all rows, as a share of the objective.

    Returns:
        The scaling of all rows, the path on them (coefficients of the standardised embedding), and the deviances.

    Raises:
        DataError: the rows cannot be fitted or dealt; see `fit_sparse_path` and `check_folds`.
        UsageError: fewer than two folds.
        RunError: a worker process was killed.
    """
    if folds < 2:
        raise UsageError("Expected at least 2 folds", f"found {folds}", "Use more")
    embedding, label = np.asarray(embedding), np.asarray(label)
    check_rows(embedding, label)
    check_folds(label, case, folds)
    fold = deal_cases(label, case, folds, "signature folds", *names)
    if workers is None:
        workers = min(available_cores(), folds + 1) if embedding.size >= WORTH_PROCESSES else 1
    scaling = fit_scaling(embedding)
    found = f"found none ({np.count_nonzero(scaling.constant)} of {len(scaling.constant)} dimensions are constant)"
    penalties = _penalties(largest_penalty(scaling.apply(embedding), label), found, "Check the embedding")
    task = partial(_fit_part, penalties=penalties, tolerance=tolerance)
    with closing(map_in_order(task, _parts(embedding, label, fold, folds), workers)) as results:
        (path, _), *held_out = results
    return scaling, path, CrossValidation(penalties, np.stack([deviance for _, deviance in held_out]))


def _parts(embedding: np.ndarray, label: np.ndarray, fold: np.ndarray, folds: int) -> Iterator[tuple]:
    """Yield (rows to fit, their labels, held-out rows, their labels): all rows first, which take longest."""
    yield embedding, label, None, None
    for number in range(folds):
        held_out = fold == number
        yield embedding[~held_out], label[~held_out], embedding[held_out], label[held_out]


def _fit_part(part: tuple, penalties: np.ndarray, tolerance: float) -> tuple[SparsePath, np.ndarray]:
    """Return the path and the deviance of the held-out rows, (values,); of none where nothing is held out."""
    embedding, label, held_out, held_out_label = part
    scaling = fit_scaling(embedding)
    tolerance = tolerance if held_out is None else max(tolerance, FOLD_TOLERANCE)
    path = fit_sparse_path(scaling.apply(embedding), label, penalties, tolerance=tolerance)
    if held_out is None:
        return path, np.empty(0)
    scores = scaling.apply(held_out) @ path.coefficients.T + path.intercepts
    return path, 2 * np.mean(np.logaddexp(0, scores) - held_out_label[:, None] * scores, axis=0)
