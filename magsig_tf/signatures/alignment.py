"""How alike two embeddings of the same images are: centred kernel alignment, and dimensions matched by correlation."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.optimize import linear_sum_assignment

from magsig_tf.errors import DataError

FEWEST_FOR_DEBIASED = 4
"""With fewer images the unbiased form does not exist."""


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two embeddings of the same images.

    It does not change when an embedding is rotated, its dimensions are permuted, or all are scaled by one factor. With
    few images beside the number of dimensions it is high for unrelated embeddings too: `debiased_cka` is not.

    Args:
        first: Embedding, shape (n, p).
        second: Embedding of the same images in the same order, shape (n, q).

    Returns:
        A value in [0, 1]; NaN where an embedding does not vary.

    Raises:
        DataError: the two do not have the same number of rows.

    Source: Kornblith, Norouzi, Lee and Hinton, ICML 2019, section 3, in the form ||Y'X||^2 / (||X'X|| ||Y'Y||).
    """
    first, second = _of_the_same_images(first, second)
    if not first.any() or not second.any():
        return nan
    scale = np.sqrt(_shared_energy(first, first) * _shared_energy(second, second))
    return float(_shared_energy(first, second) / scale)


def debiased_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return linear CKA from unbiased estimates of HSIC: near 0 for unrelated embeddings, however many dimensions.

    Args:
        first: Embedding, shape (n, p).
        second: Embedding of the same images in the same order, shape (n, q).

    Returns:
        At most 1, and below 0 by chance; NaN where an embedding does not vary or there are fewer than four images.

    Raises:
        DataError: the two do not have the same number of rows.

    Source: Song et al., JMLR 13 (2012) 1393-1434, equation 5, for HSIC; Nguyen, Raghu and Kornblith, ICLR 2021,
    section 2, for its use here. Of centred embeddings the rows of a Gram matrix add up to 0, so that its sums without
    the diagonal follow from the diagonal, and no n x n matrix is needed where there are fewer dimensions.
    """
    first, second = _of_the_same_images(first, second)
    if len(first) < FEWEST_FOR_DEBIASED or not first.any() or not second.any():
        return nan
    own = [_unbiased(each, each) for each in (first, second)]
    # where one image differs from all others, or of four, nothing but rounding may be left
    if any(left <= 1e-12 * _shared_energy(each, each) for left, each in zip(own, (first, second), strict=True)):
        return nan
    return float(_unbiased(first, second) / np.sqrt(own[0] * own[1]))


def _of_the_same_images(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both embeddings centred."""
    first, second = _centred(first), _centred(second)
    if len(first) != len(second):
        found = f"found {len(first)} and {len(second)} rows"
        raise DataError("Expected two embeddings of the same images", found, "Choose the rows that both have")
    return first, second


def _centred(embedding: np.ndarray) -> np.ndarray:
    embedding = np.asarray(embedding, np.float64)
    # a constant dimension is exactly zero, whatever its mean was rounded to
    return np.where(np.ptp(embedding, axis=0) > 0, embedding - embedding.mean(0), 0.0)


def _shared_energy(first: np.ndarray, second: np.ndarray) -> float:
    """Return ||X'Y||^2, the inner product of the two Gram matrices, from the matrices of the smaller side."""
    if len(first) ** 2 < first.shape[1] * second.shape[1]:
        return float(np.vdot(first @ first.T, second @ second.T))
    return float(np.linalg.norm(first.T @ second) ** 2)


def _unbiased(first: np.ndarray, second: np.ndarray) -> float:
    """Return n (n - 3) times the unbiased HSIC of two centred embeddings of n images."""
    n = len(first)
    one, other = (first**2).sum(1), (second**2).sum(1)
    ends = one.sum() * other.sum() / ((n - 1) * (n - 2))
    return float(_shared_energy(first, second) - n / (n - 2) * (one @ other) + ends)


@dataclass(frozen=True)
class Matching:
    """A one-to-one assignment of the dimensions of two embeddings of one length.

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
        found = f"found shapes {first.shape} and {second.shape}"
        remedy = "Compare runs of one encoder on at least two common images"
        raise DataError("Expected two embeddings of the same images and length", found, remedy)
    if np.array_equal(first, second):
        # every dimension is its own best partner; dimensions that respond alike or not at all would be drawn by lot
        return Matching(np.arange(first.shape[1]), np.where(np.ptp(first, axis=0) > 0, 1.0, 0.0))
    partner, correlation = _best_partners(first, second)
    return Matching(partner, correlation)


def matched_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of each matched pair of dimensions of two embeddings whose lengths may differ.

    Each dimension of the shorter one has a partner; those of the longer one that are left over count for nothing.

    Args:
        first: Embedding of the common images, shape (n, p), n at least 2.
        second: Embedding of the same images in the same order, shape (n, q).

    Returns:
        In [-1, 1], shape (min(p, q),); 0 where one of the two does not vary.

    Raises:
        DataError: the two do not have the same number of rows.
    """
    return _best_partners(*_of_the_same_images(first, second))[1]


def _best_partners(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    correlation = np.clip(_unit(first).T @ _unit(second), -1, 1)
    rows, partner = linear_sum_assignment(correlation, maximize=True)
    return partner, correlation[rows, partner]


def _unit(embedding: np.ndarray) -> np.ndarray:
    """Centre each dimension and scale it to length 1; zero where it does not vary."""
    centred = _centred(embedding)
    length = np.linalg.norm(centred, axis=0)
    return centred / np.where(length > 0, length, 1.0)
