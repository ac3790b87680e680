"""Precision, recall, density and coverage: whether samples lie among the real images, and real ones among samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.gan.quality.distances import Distances, squared_radii

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
