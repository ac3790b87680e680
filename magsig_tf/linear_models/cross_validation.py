"""Deviance of the sparse path on cases that it was not fitted to, and the penalties that it speaks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.sparse_path import (
    TOLERANCE,
    SparsePath,
    check_rows,
    fit_sparse_path,
    largest_penalty,
    penalty_path,
)
from magsig_tf.linear_models.standardise import Scaling, fit_scaling
from magsig_tf.parallel_work import available_cores, map_in_order
from magsig_tf.statistics.case_folds import check_folds, deal_cases

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
    penalties = _penalties(scaling, embedding, label)
    task = partial(_fit_part, penalties=penalties, tolerance=tolerance)
    with closing(map_in_order(task, _parts(embedding, label, fold, folds), workers)) as results:
        (path, _), *held_out = results
    return scaling, path, CrossValidation(penalties, np.stack([deviance for _, deviance in held_out]))


def _penalties(scaling: Scaling, embedding: np.ndarray, label: np.ndarray) -> np.ndarray:
    largest = largest_penalty(scaling.apply(embedding), label)
    if largest <= 0:
        raise DataError(
            "Expected a dimension that is related to the label",
            f"found none ({np.count_nonzero(scaling.constant)} of {len(scaling.constant)} dimensions are constant)",
            "Check the embedding",
        )
    return penalty_path(largest)


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
    whole = held_out is None
    tolerance = tolerance if whole else max(tolerance, FOLD_TOLERANCE)
    path = fit_sparse_path(scaling.apply(embedding), label, penalties, tolerance=tolerance)
    if whole:
        return path, np.empty(0)
    scores = scaling.apply(held_out) @ path.coefficients.T + path.intercepts
    return path, 2 * np.mean(np.logaddexp(0, scores) - held_out_label[:, None] * scores, axis=0)
