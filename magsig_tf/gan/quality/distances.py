"""Squared distances between all pairs of rows, and what neighbourhoods are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Distances:
    """Squared Euclidean distances among n real and m synthetic rows.

    Args:
        real: float32 [n, n], diagonal 0.
        cross: float32 [n, m].
        synthetic: float32 [m, m], diagonal 0.
    """

    real: np.ndarray
    cross: np.ndarray
    synthetic: np.ndarray

    @classmethod
    def between(cls, real: np.ndarray, synthetic: np.ndarray) -> Distances:
        """Return the distances of feature rows, [n, d] and [m, d]."""
        return cls(distances_within(real), squared_distances(real, synthetic), distances_within(synthetic))

    def halves(self, first: np.ndarray) -> Distances:
        """Return the distances where half of the real rows stand in for synthetic ones.

        Args:
            first: Bool [n]; the rows that stay real, the others stand in.
        """
        one, other = np.flatnonzero(first), np.flatnonzero(~first)
        return Distances(*(self.real[np.ix_(a, b)] for a, b in ((one, one), (one, other), (other, other))))


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distance of every row of `first` to every row of `second`.

    Computed in float64 blocks, so that pixels are exact and memory beyond the result stays small.

    Args:
        first: Shape (n, d).
        second: Shape (m, d).

    Returns:
        float32 [n, m], not below 0.
    """
    found = np.empty((len(first), len(second)), np.float32)
    for columns in _blocks(second):
        others = second[columns].astype(np.float64)
        for rows in _blocks(first):
            found[rows, columns] = _block(first[rows].astype(np.float64), others)
    return found


def distances_within(rows: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distances among rows, [n, d]: float32 [n, n], diagonal 0."""
    found = np.empty((len(rows), len(rows)), np.float32)
    for columns in _blocks(rows):
        others = rows[columns].astype(np.float64)
        for above in _blocks(rows[: columns.stop]):
            found[above, columns] = _block(rows[above].astype(np.float64), others)
            found[columns, above] = found[above, columns].T
    np.fill_diagonal(found, 0)
    return found


def _blocks(rows: np.ndarray) -> list[slice]:
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(rows), _ROWS_AT_ONCE)]


def _block(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    found = rows @ others.T
    found *= -2
    found += np.einsum("ij,ij->i", others, others)
    found += np.einsum("ij,ij->i", rows, rows)[:, None]
    return np.maximum(found, 0, out=found)


def squared_radii(within: np.ndarray, k: int) -> np.ndarray:
    """Return each row's squared distance to its k-th nearest other row.

    Args:
        within: float32 [n, n], diagonal 0.
        k: Below n.

    Returns:
        Shape (n,).
    """
    # the row itself is its nearest
    return np.concatenate([np.partition(within[rows], k, axis=1)[:, k] for rows in _blocks(within)])
