"""Closed-form erasure of the magnification from embeddings: the smallest affine change that no linear reader survives.

LEACE (Belrose et al. 2023, arXiv 2306.03819, section 4): r(x) = x - W^+ P W (x - mean) with the whitening matrix
W = S^(-1/2), S the covariance of the embedding, and P the orthogonal projector onto the columns of W C, C the
covariance of embedding and magnification indicators. With U a basis of the columns of C the same map is

    r(x) = x - U (U' S^-1 U)^-1 U' S^-1 (x - mean) = x - U V' (x - mean),

an oblique projector along U that needs no square root of S. V'U = I whatever S is, so the covariance of r(x) and
magnification, C - U V' C, is 0 for any positive definite S: shrinking S costs nothing of that on the training rows. S
decides which directions are read (V), hence how little the embedding changes and how well the map does on new rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.linalg import cho_solve, cholesky, lstsq, qr

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.erasure_rows import (
    Groups,
    finite_rows,
    grouped_rows,
    rank_revealing_cholesky,
    varying_dimensions,
)

LEDOIT_WOLF: Literal["ledoit-wolf"] = "ledoit-wolf"
"""Name of the analytical shrinkage (Ledoit & Wolf 2004, A well-conditioned estimator, lemma 3.2 and 3.3)."""
Shrinkage = float | Literal["ledoit-wolf"]
SHRINKAGES: tuple[Shrinkage, ...] = (0.0, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0, LEDOIT_WOLF)
"""Strengths to choose from: 0 is LEACE itself, 1 removes the differences of magnification means orthogonally."""
ROUNDING = 1e-10
"""A covariance of standardised dimension and indicator below this is rounding, not a direction to erase."""

SMALLEST = 1e-12
"""A smaller shrinkage counts as 0, its limit: the shrunk covariance would be singular to float64."""


@dataclass(frozen=True)
class Eraser:
    """An affine map r(x) = x - U V' (x - mean), the same for every row whatever its label or magnification.

    Args:
        mean: Of the training rows, each class weighing the same where erasure is by class, (p,).
        directions: U, orthonormal columns, what is taken away, (p, rank).
        readers: V, how much of it a row has, (p, rank); V'U is the identity.
        shrinkage: Strength s with which the covariance was shrunk, in [0, 1].
        by_class: Whether covariances were those within classes.
        removed_share: Mean squared change of the training rows, as a share of their total variance about `mean`.
        rows: Training rows that weighed more than 0.
    """

    mean: np.ndarray
    directions: np.ndarray
    readers: np.ndarray
    shrinkage: float
    by_class: bool
    removed_share: float
    rows: int

    @property
    def rank(self) -> int:
        """Number of directions erased, at most the number of magnifications minus 1."""
        return self.directions.shape[1]

    @property
    def offset(self) -> np.ndarray:
        """The constant b of r(x) = x - U V'x + b, (p,)."""
        return self.directions @ (self.readers.T @ self.mean)

    def apply(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the erased embeddings, float64.

        Args:
            embeddings: Any rows of the encoder that the eraser was fitted on, finite, (m, p).

        Raises:
            DataError: another length, or values that are not finite.
        """
        rows = finite_rows(embeddings)
        if rows.shape[1] != len(self.mean):
            expected, found = f"Expected embeddings of length {len(self.mean)}", f"found length {rows.shape[1]}"
            raise DataError(expected, found, "Use the encoder that the eraser was fitted on")
        return rows - ((rows - self.mean) @ self.readers) @ self.directions.T

    def folded(self, weights: np.ndarray, intercept: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and intercept on plain embeddings of a linear model of erased ones: the same scores.

        Args:
            weights: (p,) or (p, k).
            intercept: A number, or (k,).
        """
        along = self.directions.T @ weights
        return weights - self.readers @ along, intercept + (self.mean @ self.readers) @ along


def fit_eraser(
    embeddings: np.ndarray,
    domains: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    by_class: bool = False,
    shrinkage: Shrinkage = 0.0,
    weights: np.ndarray | None = None,
) -> Eraser:
    """Return the eraser of the magnification of these rows; `measure_covariances` is cheaper for several strengths.

    Args:
        embeddings: Of training rows, finite, (n, p).
        domains: Magnification of each row, (n,), two or more different ones.
        labels: Class of each row, (n,); looked at with `by_class` alone.
        by_class: Pool the covariances within classes, each class weighing the same: what follows from magnifications
            having different shares of a class is then no reason to erase.
        shrinkage: s of S = (1 - s) S + s tr(S)/d I over the d dimensions that vary, in [0, 1], or "ledoit-wolf".
        weights: Of rows, not negative, (n,); all alike if None.

    Raises:
        DataError: rows, magnifications or classes from which nothing can be fitted.
        UsageError: a shrinkage outside [0, 1], or `by_class` without labels.
    """
    return measure_covariances(embeddings, domains, labels=labels, by_class=by_class, weights=weights).eraser(shrinkage)


def measure_covariances(
    embeddings: np.ndarray,
    domains: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    by_class: bool = False,
    weights: np.ndarray | None = None,
) -> Covariances:
    """Return what erasers of every strength share; arguments and errors as in `fit_eraser`."""
    if by_class and labels is None:
        raise UsageError("Expected labels for erasure by class", "found none", "Give labels, or by_class=False")
    embeddings = finite_rows(embeddings)
    groups = grouped_rows(len(embeddings), domains, labels if by_class else None, weights)
    used = embeddings[groups.rows]
    varies = varying_dimensions(used)
    used = used[:, varies]
    mean = groups.weights @ embeddings[groups.rows]
    return Covariances(groups, varies, mean, groups.means(used) - mean[varies], groups.centred(used), by_class)


@dataclass(frozen=True)
class Covariances:
    """Centred rows, their covariances, and the directions to erase: made once, whatever the shrinkage.

    Args:
        groups: Weights, indicators and groups of the n rows that weigh.
        varies: Which dimensions vary over these rows, (p,).
        mean: Of all groups, (p,).
        between: Mean of each group without that of all, over the d dimensions that vary, (groups, d).
        rows: Rows centred (by class, if so asked) and multiplied by the root of their weight, so that rows'rows is the
            covariance, (n, d).
        by_class: Whether covariances are those within classes.
    """

    groups: Groups
    varies: np.ndarray
    mean: np.ndarray = field(repr=False)
    between: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    by_class: bool

    @cached_property
    def variance(self) -> float:
        """Trace of the covariance of the embedding."""
        return float((self.rows**2).sum())

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each dimension that varies, 1 where it does not vary within classes, (d,)."""
        deviation = np.sqrt((self.rows**2).sum(axis=0))
        return np.where(deviation > ROUNDING * max(deviation.max(initial=0.0), 1e-300), deviation, 1.0)

    @cached_property
    def gram(self) -> np.ndarray:
        """The smaller of covariance rows'rows (d, d) and rows rows' (n, n), which is all that the solvers need."""
        return self.rows.T @ self.rows if self.wide_enough else self.rows @ self.rows.T

    @property
    def wide_enough(self) -> bool:
        """Whether there are more rows than dimensions."""
        return len(self.rows) > self.rows.shape[1]

    @cached_property
    def basis(self) -> tuple[np.ndarray, np.ndarray]:
        """U, an orthonormal basis of the columns of C = rows'indicators, (d, rank), and T with U = C T."""
        cross = self.rows.T @ self.groups.indicators
        # which directions there are is decided on standardised dimensions, so that units do not matter
        left, sizes, right = np.linalg.svd(cross / self.deviation[:, None], full_matrices=False)
        kept = sizes > ROUNDING
        if not kept.any():  # older releases of scipy decompose no empty array
            return left[:, :0], right.T[:, :0]
        combination = right[kept].T / sizes[kept]
        directions, triangle = qr(left[:, kept] * self.deviation[:, None], mode="economic")
        return directions, np.linalg.solve(triangle.T, combination.T).T

    @cached_property
    def ledoit_wolf(self) -> float:
        """The shrinkage with the least expected squared error of the covariance, from the data; in [0, 1].

        For rows of equal weight it is scikit-learn's `ledoit_wolf_shrinkage` of the centred rows.
        """
        squares = float((self.gram**2).sum())
        dispersion = squares - self.variance**2 / self.rows.shape[1] if self.rows.size else 0.0
        if dispersion <= 0:
            return 0.0
        error = float(((self.rows**2).sum(axis=1) ** 2).sum() - (self.groups.weights**2).sum() * squares)
        return min(max(error / dispersion, 0.0), 1.0)

    def eraser(self, shrinkage: Shrinkage = 0.0) -> Eraser:
        """Return the eraser of one strength; arguments and errors as in `fit_eraser`."""
        strength = self.ledoit_wolf if shrinkage == LEDOIT_WOLF else shrinkage
        if isinstance(strength, str) or not 0 <= strength <= 1:
            expected = f'Expected a shrinkage from 0 to 1, or "{LEDOIT_WOLF}"'
            raise UsageError(expected, f"found {shrinkage}", "Choose one of these")
        directions = self.basis[0]
        readers = self._solved(strength) if directions.size else directions
        # makes V'U the identity up to rounding, however well the system above is conditioned
        readers = np.linalg.solve((directions.T @ readers).T, readers.T).T
        return Eraser(
            self.mean,
            _spread(directions, self.varies),
            _spread(readers, self.varies),
            strength,
            self.by_class,
            self._removed(readers),
            len(self.rows),
        )

    def _solved(self, strength: float) -> np.ndarray:
        """Return S^-1 U, or S^+ U where S is singular, (d, rank)."""
        directions, combination = self.basis
        if strength < SMALLEST:
            return self._solved_unshrunk()
        floor = strength * self.variance / self.rows.shape[1]
        shrunk = (1 - strength) * self.gram
        shrunk.flat[:: len(shrunk) + 1] += floor
        factor = cholesky(shrunk, overwrite_a=True, check_finite=False), False
        if self.wide_enough:
            return cho_solve(factor, directions, check_finite=False)
        # (a R'R + b I)^-1 R' = R' (a R R' + b I)^-1, and U = R' (indicators T)
        return self.rows.T @ cho_solve(factor, self.groups.indicators @ combination, check_finite=False)

    def _solved_unshrunk(self) -> np.ndarray:
        directions = self.basis[0]
        if self.wide_enough:
            scale = self.deviation
            factor, pivots, rank = rank_revealing_cholesky(self.gram / scale / scale[:, None])
            if rank == len(scale):
                found = np.empty_like(directions)
                found[pivots] = cho_solve((factor, False), (directions / scale[:, None])[pivots], check_finite=False)
                return found / scale[:, None]
            inside = qr(self.gram[:, pivots[:rank]] / scale[pivots[:rank]], mode="economic")[0]
        else:
            _, pivots, rank = rank_revealing_cholesky(self.gram)
            inside = qr(self.rows[pivots[:rank]].T, mode="economic")[0]
        # S^+ = Q (Q'SQ)^-1 Q' for an orthonormal basis Q of the columns of S, and Q'SQ = (RQ)'(RQ)
        seen = self.rows @ inside
        wanted = self.groups.indicators @ self.basis[1]
        return inside @ lstsq(seen, wanted, lapack_driver="gelsy", check_finite=False)[0]

    def _removed(self, readers: np.ndarray) -> float:
        # rows are centred by group: what groups differ in is added
        between = self.between / np.sqrt(len(self.between))
        total = self.variance + float((between**2).sum())
        changed = np.concatenate([self.rows, between]) @ readers
        # directions are orthonormal
        return float((changed**2).sum() / total) if total > 0 else 0.0


def _spread(values: np.ndarray, varies: np.ndarray) -> np.ndarray:
    """Return values of the dimensions that vary in an array of all of them, 0 elsewhere."""
    spread = np.zeros((len(varies), *values.shape[1:]))
    spread[varies] = values
    return spread
