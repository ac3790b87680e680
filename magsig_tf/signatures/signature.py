"""The signature of an embedding: the dimensions that a sparse classifier keeps, chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from scipy.special import expit

from magsig_tf import reasons
from magsig_tf.errors import DataError, UsageError, nearest
from magsig_tf.linear_models.sparse_path import CrossValidation, Scaling, SparsePath, cross_validate
from magsig_tf.reasons import SATURATED, Reason

CHOICES = ("one_standard_error", "minimum")
"""The sparsest model within one standard error of the smallest deviance, or the one of smallest deviance."""
SATURATED_SHARE = 0.95
"""A signature with at least this share of the dimensions that vary is saturated."""

NONE_SELECTED = Reason(reasons.EMPTY, "empty: no dimension is selected, every image gets the same probability")
NEARLY_ALL = Reason(SATURATED, "saturated: nearly every dimension is selected, its overlap with others is trivial")
SPARSE_EDGE = Reason(reasons.EDGE_OF_PATH, "the choice is the first lambda of the path")
DENSE_EDGE = Reason(reasons.EDGE_OF_PATH, "the choice is the last lambda of the path, a smaller one might fit better")


@dataclass(frozen=True)
class Signature:
    """A sparse classifier of embeddings.

    Args:
        indices: The k selected dimensions, ascending, (k,).
        coefficients: Theirs, of the standardised embedding, none 0, (k,).
        intercept: Not penalised.
        mean: Of each selected dimension over the training rows, (k,).
        scale: Its standard deviation, (k,).
        penalty: lambda, the weight of |w|_1 beside the mean log-loss.
        gap: Duality gap reached, as a share of the objective.
        rows: Number n of training rows.
        dimensions: Length p of the embedding.
        constant_dimensions: How many of them do not vary over the training rows, and were left out.
        choice: How the penalty was chosen, one of `CHOICES`.
        at_sparse_edge: The choice is the first penalty of the path, the model without any dimension.
        at_dense_edge: The choice is the last one: a smaller penalty might have been better.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    intercept: float
    mean: np.ndarray
    scale: np.ndarray
    penalty: float
    gap: float
    rows: int
    dimensions: int
    constant_dimensions: int
    choice: str
    at_sparse_edge: bool
    at_dense_edge: bool

    @property
    def size(self) -> int:
        """Number k of selected dimensions."""
        return len(self.indices)

    @property
    def selected(self) -> np.ndarray:
        """Which dimensions are selected, booleans of shape (p,)."""
        return np.isin(np.arange(self.dimensions), self.indices)

    @property
    def share(self) -> float:
        """k / p."""
        return self.size / self.dimensions

    @property
    def empty(self) -> bool:
        """Whether no dimension is selected: the classifier gives every row the same probability."""
        return self.size == 0

    @property
    def saturated(self) -> bool:
        """Whether nearly every dimension that varies is selected, so that any overlap is trivial."""
        return self.size >= SATURATED_SHARE * (self.dimensions - self.constant_dimensions)

    @property
    def remarks(self) -> list[Reason]:
        """What a reader must know of it: that it is empty or saturated, an edge of the path, constant dimensions."""
        constant = self.constant_dimensions
        left_out = f"{constant} constant dimension{'s' if constant > 1 else ''} left out"
        every = (NONE_SELECTED, NEARLY_ALL, SPARSE_EDGE, DENSE_EDGE, Reason(reasons.CONSTANT_DIMENSIONS, left_out))
        holds = (self.empty, self.saturated, self.at_sparse_edge, self.at_dense_edge, constant > 0)
        return list(compress(every, holds))

    def predict(self, embedding: np.ndarray) -> np.ndarray:
        """Return the probability of malignant for each row.

        Args:
            embedding: Not standardised, finite, (n, p).

        Returns:
            Float64 in [0, 1], (n,).

        Raises:
            DataError: another number of dimensions, or a value that is not finite.
        """
        embedding = np.asarray(embedding)
        if embedding.ndim != 2 or embedding.shape[1] != self.dimensions:
            expected = f"Expected an embedding of shape (n, {self.dimensions})"
            raise DataError(expected, f"found {embedding.shape}", "Use the encoder that the signature was fitted to")
        chosen = embedding[:, self.indices].astype(np.float64)
        if not np.isfinite(chosen).all():
            raise DataError("Expected finite embeddings", "found NaN or infinity", "Leave those rows out")
        return expit((chosen - self.mean) / self.scale @ self.coefficients + self.intercept)


@dataclass(frozen=True)
class FittedSignatures:
    """Both choices, and what they were made from.

    Args:
        one_standard_error: The sparsest within one standard error of the smallest deviance; the default.
        minimum: The one of smallest deviance.
        scaling: Of the training rows.
        path: On all of them.
        cross_validation: Deviances of held-out cases.
    """

    one_standard_error: Signature
    minimum: Signature
    scaling: Scaling
    path: SparsePath
    cross_validation: CrossValidation


def fit_signatures(embedding: np.ndarray, label: np.ndarray, case: np.ndarray, **how: Any) -> FittedSignatures:
    """Fit the sparse path to training rows and keep both choices of its penalty.

    Args:
        embedding: Not standardised, finite, (n, p).
        label: 0 or 1, (n,).
        case: Name of each row's case, (n,); folds never divide one.
        **how: `folds`, `names`, `workers` and `tolerance`; see `cross_validate`.

    Raises:
        DataError: the rows cannot be fitted or dealt; see `cross_validate`.
        UsageError: fewer than two folds.
    """
    scaling, path, validation = cross_validate(embedding, label, case, **how)
    chosen = {choice: _signature(scaling, path, getattr(validation, choice), choice) for choice in CHOICES}
    return FittedSignatures(**chosen, scaling=scaling, path=path, cross_validation=validation)


def fit_signature(
    embedding: np.ndarray, label: np.ndarray, case: np.ndarray, *, choice: str = CHOICES[0], **how: Any
) -> Signature:
    """Return the signature of one choice; `fit_signatures` says what the arguments mean and returns both.

    Raises:
        UsageError: no such choice, or fewer than two folds.
        DataError: the rows cannot be fitted or dealt; see `cross_validate`.
    """
    if choice not in CHOICES:
        raise UsageError("Expected a choice of the penalty", f"found {choice!r}", nearest(choice, CHOICES))
    return getattr(fit_signatures(embedding, label, case, **how), choice)


def _signature(scaling: Scaling, path: SparsePath, place: int, choice: str) -> Signature:
    indices = np.flatnonzero(path.coefficients[place])
    return Signature(
        indices=indices,
        coefficients=path.coefficients[place][indices],
        intercept=float(path.intercepts[place]),
        mean=scaling.mean[indices],
        scale=scaling.scale[indices],
        penalty=float(path.penalties[place]),
        gap=float(path.gaps[place]),
        rows=path.rows,
        dimensions=len(scaling.constant),
        constant_dimensions=int(np.count_nonzero(scaling.constant)),
        choice=choice,
        at_sparse_edge=place == 0,
        at_dense_edge=place == len(path.penalties) - 1,
    )
