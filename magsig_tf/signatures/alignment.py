"""Whether two embeddings arrange the same images alike, and which dimension of one matches which of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from magsig_tf.errors import DataError


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two embeddings of the same images.

    It does not change when an embedding is rotated, its dimensions are permuted, or all are scaled by one factor. With
    fewer images than dimensions it is high for unrelated embeddings too.

    Args:
        first: Embedding, shape (n, p).
        second: Embedding of the same images in the same order, shape (n, q).

    Returns:
        A value in [0, 1]; NaN where an embedding does not vary.

    Raises:
        DataError: the two do not have the same number of rows.

    Source: Kornblith, Norouzi, Lee and Hinton, ICML 2019, section 3, in the form ||Y'X||^2 / (||X'X|| ||Y'Y||).
    """
    first, second = _centred(first), _centred(second)
    if len(first) != len(second):
        raise DataError(
            "Expected two embeddings of the same images",
            f"found {len(first)} and {len(second)} rows",
            "Choose the rows that both have",
        )
    if not first.any() or not second.any():
        return float("nan")
    scale = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    return float(np.linalg.norm(second.T @ first) ** 2 / scale)


def _centred(embedding: np.ndarray) -> np.ndarray:
    embedding = np.asarray(embedding, np.float64)
    # a constant dimension is exactly zero, whatever its mean was rounded to
    return np.where(np.ptp(embedding, axis=0) > 0, embedding - embedding.mean(0), 0.0)


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
