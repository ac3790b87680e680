"""The rows that an eraser is fitted or certified on: checked, weighted, in groups, magnifications as indicators."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg.lapack import dpstrf
from scipy.sparse.csgraph import connected_components

from magsig_tf.errors import DataError

ROUNDING = 1e-6
"""A dimension whose deviation is below this share of its largest value varies by float32 rounding alone."""
COLLINEAR = 1e-11
"""A dimension is a combination of others where this share of its variance or less is left of it beside them."""


@dataclass(frozen=True)
class Groups:
    """Rows that weigh more than 0, in groups that weigh the same: the classes, or all rows as one group.

    Args:
        rows: Positions of these rows, (n,).
        weights: Of each; they sum to 1, and to the same in each group, (n,).
        domain: Position of each row's magnification among those present, (n,).
        domains: Number K of magnifications present, 2 or more.
        group: Position of each row's group, (n,).
        groups: Number of groups.
    """

    rows: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    domain: np.ndarray = field(repr=False)
    domains: int
    group: np.ndarray = field(repr=False)
    groups: int

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of each magnification in each group, (groups, K), rows of sum 1."""
        shares = np.zeros((self.groups, self.domains))
        np.add.at(shares, (self.group, self.domain), self.weights * self.groups)
        return shares / shares.sum(axis=1, keepdims=True)

    @property
    def indicators(self) -> np.ndarray:
        """Indicators of magnification, centred by group and multiplied by the root of the weight, (n, K)."""
        centred = np.eye(self.domains)[self.domain] - self.shares[self.group]
        return centred * np.sqrt(self.weights)[:, None]

    @property
    def entropy(self) -> float:
        """Entropy of the shares in nats, averaged over groups."""
        return float(-self.weights @ np.log(self.shares[self.group, self.domain]))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted mean of each group, (groups, d), of values (n, d)."""
        members = np.zeros((self.groups, len(self.rows)))
        members[self.group, np.arange(len(self.rows))] = self.weights * self.groups
        return (members / members.sum(axis=1, keepdims=True)) @ values

    def centred(self, values: np.ndarray) -> np.ndarray:
        """Return values (n, d) centred by group, times the root of the weight: their square is a covariance."""
        centred = values - self.means(values)[self.group]
        centred *= np.sqrt(self.weights)[:, None]
        return centred


def finite_rows(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings (n, p) as float64.

    Raises:
        DataError: not two axes, no rows, or values that are not finite.
    """
    rows = np.asarray(embeddings, np.float64)
    if rows.ndim != 2 or not rows.size:
        found = f"found an array of shape {rows.shape}"
        raise DataError("Expected embeddings, a row an image", found, "Give an array of rows x length")
    if not (good := np.isfinite(rows).all(axis=1)).all():
        found = f"found {int((~good).sum())} of {len(rows)} rows with others"
        raise DataError("Expected embeddings of finite values", found, "Leave these rows out, or embed them again")
    return rows


def grouped_rows(
    rows: int, domains: np.ndarray, labels: np.ndarray | None = None, weights: np.ndarray | None = None
) -> Groups:
    """Return the groups of n rows.

    Args:
        rows: Their number n.
        domains: Magnification of each, (n,).
        labels: Class of each, (n,), if each class is a group.
        weights: Of each, not negative, (n,); all alike if None.

    Raises:
        DataError: arrays of another length, names missing, weights that are none, one magnification only, or with
            labels magnifications that share no class, so that magnification and class cannot be told apart.
    """
    domains = _names(domains, rows, "magnification")
    weights = np.ones(rows) if weights is None else _checked(weights, rows)
    kept = np.flatnonzero(weights > 0)
    names, domain = np.unique(domains[kept], return_inverse=True)
    if len(names) < 2:
        expected, remedy = (
            "Expected rows of two magnifications or more",
            "Use more magnifications: one cannot be erased",
        )
        raise DataError(expected, f"found {len(names)}", remedy)
    group, groups = np.zeros(len(kept), int), 1
    if labels is not None:
        classes, group = np.unique(_names(labels, rows, "label")[kept], return_inverse=True)
        groups = len(classes)
        _check_shared(names, domain, group, groups)
    weights = weights[kept] / np.bincount(group, weights[kept])[group] / groups
    return Groups(kept, weights, domain, len(names), group, groups)


def _names(names: np.ndarray, rows: int, what: str) -> np.ndarray:
    names = np.asarray(names)
    if names.shape != (rows,):
        found = f"found shape {names.shape}"
        raise DataError(f"Expected a {what} for each of {rows} rows", found, "Give an array of that length")
    if missing := int(pd.isna(names).sum()):
        expected, remedy = f"Expected a {what} for each row", "Leave these rows out"
        raise DataError(expected, f"found {missing} rows without", remedy)
    return names


def _checked(weights: np.ndarray, rows: int) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (rows,) or not np.isfinite(weights).all() or weights.min(initial=0) < 0:
        expected = f"Expected a weight of 0 or more for each of {rows} rows"
        raise DataError(expected, "found others", "Give finite, non-negative weights")
    largest = weights.max(initial=0)
    return weights / largest if largest > 0 else weights


def _check_shared(names: np.ndarray, domain: np.ndarray, group: np.ndarray, groups: int) -> None:
    """Refuse magnifications that no chain of classes links: their difference is one of classes as much."""
    present = np.zeros((len(names) + groups, len(names) + groups))
    present[domain, len(names) + group] = 1
    _, part = connected_components(present, directed=False)
    if len(set(part[: len(names)])) > 1:
        apart = ", ".join(str(name) for name, of in zip(names, part, strict=False) if of != part[0])
        found = f"found that {apart} and {names[0]} do not: their difference is one of classes too"
        raise DataError("Expected magnifications that share a class", found, "Use by_class=False, or add rows")


def varying_dimensions(embeddings: np.ndarray) -> np.ndarray:
    """Return which dimensions vary by more than rounding over finite float64 rows (n, p), as booleans (p,)."""
    return np.ptp(embeddings, axis=0) > ROUNDING * np.abs(embeddings).max(axis=0)


def rank_revealing_cholesky(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the Cholesky factor of the largest independent part of a positive semidefinite matrix.

    Args:
        matrix: Float64 (d, d); a correlation matrix where the units of dimensions differ.

    Returns:
        R, upper triangular (rank, rank), the order of dimensions (d,), and the rank: with the first `rank` of that
        order as A, matrix[A, A] = R'R. Of the others no more is left beside them than `COLLINEAR` of the largest
        diagonal.
    """
    tolerance = COLLINEAR * max(float(np.diagonal(matrix).max(initial=0.0)), 1e-300)
    factor, pivots, rank, _ = dpstrf(matrix, tol=tolerance)
    return np.triu(factor[:rank, :rank]), pivots - 1, int(rank)
