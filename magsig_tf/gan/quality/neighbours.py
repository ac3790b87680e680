"""Precision, recall, density and coverage: whether samples lie among the real images, and real ones among samples."""

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


NEIGHBOURS_OF_PRECISION = 3
"""k of precision and recall, as in their paper."""
NEIGHBOURS_OF_DENSITY = 5
"""k of density and coverage, as in theirs."""
FEWEST = NEIGHBOURS_OF_DENSITY + 1
"""Images that each set needs: every one must have k others."""


@dataclass(frozen=True)
class NeighbourScores:
    """What each image adds to the four numbers; n real and m synthetic images.

    Balls are closed: a ball around a row reaches to its k-th nearest other row, which lies in it.

    Args:
        precise: Bool [m], the sample lies in the ball (k = 3) of a real image.
        recalled: Bool [n], the real image lies in the ball (k = 3) of a sample.
        dense: float64 [n], samples in the real image's ball (k = 5), as a multiple of the k m / n that are expected.
        covered: Bool [n], there is a sample in the real image's ball (k = 5).

    Source: Kynkaanniemi et al., Improved precision and recall metric, NeurIPS 2019, eq. 1 and 2; Naeem et al., Reliable
    fidelity and diversity metrics, ICML 2020, eq. 4 and 5.
    """

    precise: np.ndarray
    recalled: np.ndarray
    dense: np.ndarray
    covered: np.ndarray

    @property
    def values(self) -> dict[str, float]:
        """The four numbers: shares, and for density a value that may exceed 1."""
        names = ("precision", "recall", "density", "coverage")
        return {name: float(each.mean()) for name, each in zip(names, vars(self).values(), strict=True)}

    @property
    def of_real(self) -> dict[str, np.ndarray]:
        """What each real image adds to the numbers that are means over real images, float64 [n] each."""
        return {"recall": self.recalled.astype(float), "density": self.dense, "coverage": self.covered.astype(float)}


def neighbour_scores(distances: Distances) -> NeighbourScores:
    """Return precision, recall, density and coverage, exactly and by all pairs.

    Args:
        distances: At least `FEWEST` real and as many synthetic rows.
    """
    near, wide = NEIGHBOURS_OF_PRECISION, NEIGHBOURS_OF_DENSITY
    real, drawn = distances.cross.shape
    recalled = (distances.cross <= squared_radii(distances.synthetic, near)).any(axis=1)
    precise = (distances.cross <= squared_radii(distances.real, near)[:, None]).any(axis=0)
    inside = (distances.cross <= squared_radii(distances.real, wide)[:, None]).sum(axis=1)
    return NeighbourScores(precise, recalled, inside * (real / (wide * drawn)), inside > 0)
