"""Which dimension of one network answers to which of another, found by how they respond to the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from magsig_tf.errors import DataError


@dataclass(frozen=True)
class Matching:
    """A one-to-one assignment of the dimensions of two embeddings.

    Args:
        partner: Dimension of the second embedding that dimension i of the first is matched to, shape (p,).
        correlation: Pearson correlation of each matched pair over the common images, in [-1, 1], shape (p,); 0 where
            one of the two does not vary.
    """

    partner: np.ndarray
    correlation: np.ndarray

    def moved(self, second: np.ndarray) -> np.ndarray:
        """Return a set of the second embedding's dimensions as dimensions of the first.

        Args:
            second: Which dimensions of the second embedding are in the set, shape (p,).
        """
        return np.asarray(second, bool)[self.partner]


def match_dimensions(first: np.ndarray, second: np.ndarray) -> Matching:
    """Match the dimensions of two embeddings so that the sum of correlations is greatest.

    Which dimensions are selected plays no part, so random sets share as much after the matching as before it.

    Args:
        first: Embedding of the common images, shape (n, p), n at least 2.
        second: Embedding of the same images in the same order, shape (n, p).

    Raises:
        DataError: the shapes differ, or there are fewer than two images.

    Source: Kuhn 1955 (the Hungarian method); Li et al., Convergent learning, ICLR 2016, for the use on networks.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 2 or len(first) < 2:
        raise DataError(
            "Expected two embeddings of the same images and length",
            f"found shapes {first.shape} and {second.shape}",
            "Compare runs of one encoder on at least two common images",
        )
    if np.array_equal(first, second):
        # every dimension is its own best partner; dimensions that respond alike or not at all would be drawn by lot
        return Matching(np.arange(first.shape[1]), np.where(np.ptp(first, axis=0) > 0, 1.0, 0.0))
    correlation = np.clip(_unit(first).T @ _unit(second), -1, 1)
    rows, partner = linear_sum_assignment(correlation, maximize=True)
    return Matching(partner, correlation[rows, partner])


def _unit(embedding: np.ndarray) -> np.ndarray:
    """Centre each dimension and scale it to length 1; zero where it does not vary."""
    varies = np.ptp(embedding, axis=0) > 0
    centred = np.where(varies, embedding - embedding.mean(0), 0.0)
    return centred / np.where(varies, np.linalg.norm(centred, axis=0), 1.0)
