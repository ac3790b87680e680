"""Nearest neighbours: precision, recall, density and coverage of samples, and whether they are copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError

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
        pairs = ((real, real), (real, synthetic), (synthetic, synthetic))
        return cls(*(squared_distances(one, other) for one, other in pairs))

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
        second: Shape (m, d); where it is `first`, half of the blocks are computed, and the diagonal is 0.

    Returns:
        float32 [n, m], not below 0.
    """
    found, within = np.empty((len(first), len(second)), np.float32), second is first
    for columns in _blocks(second):
        others = second[columns].astype(np.float64)
        for rows in _blocks(first[: columns.stop] if within else first):
            found[rows, columns] = _block(first[rows].astype(np.float64), others)
            if within:
                found[columns, rows] = found[rows, columns].T
    if within:
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
METRICS = ("precision", "recall", "density", "coverage")
FEWEST = NEIGHBOURS_OF_DENSITY + 1
"""Images that each set needs: every one must have k others."""


def neighbour_scores(distances: Distances) -> dict[str, np.ndarray]:
    """Return what each image adds to precision, recall, density and coverage, exactly and by all pairs.

    Balls are closed: a ball around a row reaches to its k-th nearest other row, which lies in it.

    Args:
        distances: Of n real and m synthetic rows, at least `FEWEST` each.

    Returns:
        Float64 arrays, whose means are the four numbers: shares, and for density a value that may exceed 1.
        `precision` [m], whether the sample lies in the ball (k = 3) of a real image; `recall` [n], whether the real
        image lies in the ball (k = 3) of a sample; `density` [n], samples in the real image's ball (k = 5), as a
        multiple of the k m / n that are expected; `coverage` [n], whether there is a sample in the real image's ball
        (k = 5).

    Source: Kynkaanniemi et al., Improved precision and recall metric, NeurIPS 2019, eq. 1 and 2; Naeem et al., Reliable
    fidelity and diversity metrics, ICML 2020, eq. 4 and 5.
    """
    near, wide = NEIGHBOURS_OF_PRECISION, NEIGHBOURS_OF_DENSITY
    real, drawn = distances.cross.shape
    recalled = np.any(distances.cross <= squared_radii(distances.synthetic, near), axis=1)
    precise = np.any(distances.cross <= squared_radii(distances.real, near)[:, None], axis=0)
    inside = (distances.cross <= squared_radii(distances.real, wide)[:, None]).sum(axis=1)
    found = (precise, recalled, inside * (real / (wide * drawn)), inside > 0)
    return {metric: each.astype(float) for metric, each in zip(METRICS, found, strict=True)}


PERCENTILE = 1.0
"""A sample below this percentile of what real images show counts as copied."""
FEWEST_CASES = 3
"""An image's case, that of its nearest image, and one to compare with."""


def memorisation(real: np.ndarray, cross: np.ndarray, case: np.ndarray) -> dict[str, float]:
    """Hold the distance of each sample to its nearest training image against that between training images.

    The yardstick is the distance of each training image to its nearest one of another case: tiles of one patient may
    show the same tissue. A sample is a copy where it is near to one training image, and near to that one only: its
    distance is not above the 1st percentile of the yardstick, and neither is the ratio of its distance to that to the
    nearest image of any further case. By the distance alone every blurred image would be a copy in pixels, since it
    is near to all others.

    Args:
        real: Squared distances among training images, shape (n, n).
        cross: Squared distances of training images to samples, shape (n, m).
        case: Position of each training image's case, shape (n,).

    Returns:
        `copied`: share of samples that are copies; `nearest_ratio`: median distance of samples over the median of the
        yardstick; `copied_same_case`: share of training images that would be copies of another one of their own case,
        NaN where no case has two images.

    Raises:
        NotDefinedError: there are fewer than three cases, or most training images occur in two cases.
    """
    cases = len(np.unique(case))
    if cases < FEWEST_CASES:
        raise NotDefinedError(
            f"Expected training images of {FEWEST_CASES} cases or more",
            f"found fewer than {FEWEST_CASES} cases ({cases})",
            "Use more cases",
        )
    of_others = nearest_by_case(real, case)
    columns = np.arange(len(case))
    own = nearest_by_case(real + np.diag(np.full(len(case), np.float32(np.inf))), case)[case, columns]
    of_others[case, columns] = np.inf
    yardstick, ratio = _nearest_two(of_others)
    if np.median(yardstick) == 0:
        raise NotDefinedError(
            "Expected different training images", "found most of them in two cases", "Leave the duplicates out"
        )
    limits = np.percentile(yardstick, PERCENTILE), np.percentile(ratio, PERCENTILE)
    nearest, nearest_ratio = _nearest_two(nearest_by_case(cross, case))
    doubled = np.isfinite(own)
    own = np.sqrt(own[doubled])
    copies = _copies(own, _ratio(own, yardstick[doubled]), limits)
    return {
        "copied": float(_copies(nearest, nearest_ratio, limits).mean()),
        "nearest_ratio": float(np.median(nearest) / np.median(yardstick)),
        "copied_same_case": float(copies.mean()) if len(copies) else float("nan"),
    }


def nearest_by_case(squared: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Return the smallest squared distance to an image of each case.

    Args:
        squared: Distances of n training images to m others, shape (n, m).
        case: Position of each training image's case, 0 to C - 1, shape (n,).

    Returns:
        Shape (C, m); cases that `case` skips are left out.
    """
    order = np.argsort(case, kind="stable")
    return np.minimum.reduceat(squared[order], np.unique(case[order], return_index=True)[1], axis=0)


def _nearest_two(by_case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to the nearest case, and its ratio to that of the next one."""
    first, second = np.sqrt(np.partition(by_case, 1, axis=0)[:2])
    return first, _ratio(first, second)


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # an image at distance 0 is a copy even where a second case holds the same one
    return np.divide(first, second, out=np.zeros_like(first), where=second > 0)


def _copies(distance: np.ndarray, ratio: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return (distance <= limits[0]) & (ratio <= limits[1])
