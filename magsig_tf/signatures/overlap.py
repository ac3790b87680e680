"""What two sets of embedding dimensions share, beside what chance shares, and how alike two embeddings are at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import hypergeom

from magsig_tf.errors import DataError
from magsig_tf.reasons import EMPTY, NOTHING, SATURATED, Reason
from magsig_tf.seeding import generator_for

BOTH_EMPTY = Reason(EMPTY, "not defined: both signatures are empty")
ONE_EMPTY = Reason(EMPTY, "not informative: one signature is empty")
ALL_DIMENSIONS = Reason(
    SATURATED, "not informative: one signature has all dimensions, so the overlap follows from the sizes"
)


@dataclass(frozen=True)
class Overlap:
    """How much two sets of dimensions share.

    Args:
        first: Size k of the first set.
        second: Size k of the second set.
        dimensions: Length p of the embedding.
        shared: Dimensions in both.
        jaccard: J = shared / (first + second - shared), in [0, 1]; NaN where both sets are empty.
        expected: Mean J of two independent random sets of these sizes; NaN where J is.
        adjusted: (J - expected) / (1 - expected): 0 is what chance gives; NaN where the sizes alone decide J.
        ceiling: min(k) / max(k), the greatest J that sets of these sizes can have; NaN where J is.
        p_value: Probability that two independent random sets of these sizes share at least as many dimensions; it tests
            against random sets only. NaN where `adjusted` is.
        reason: Why something is NaN, in words; empty where nothing is.
    """

    first: int
    second: int
    dimensions: int
    shared: int
    jaccard: float
    expected: float
    adjusted: float
    ceiling: float
    p_value: float
    reason: Reason = NOTHING


def measure_overlap(first: ArrayLike, second: ArrayLike) -> Overlap:
    """Compare two sets of dimensions with each other and with chance.

    Args:
        first: Which dimensions are in the first set, booleans of shape (p,).
        second: The same for the second set; position i must mean the same dimension in both.

    Returns:
        The overlap with all that belongs beside it.

    Raises:
        DataError: the two are not of the same length.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        found = f"found shapes {first.shape} and {second.shape}"
        raise DataError("Expected two sets over the same dimensions", found, "Compare embeddings of the same encoder")
    sizes, p = (int(first.sum()), int(second.sum())), len(first)
    shared = int((first & second).sum())
    if not any(sizes):
        return Overlap(*sizes, p, shared, nan, nan, nan, nan, nan, BOTH_EMPTY)
    jaccard, ceiling = shared / (sum(sizes) - shared), min(sizes) / max(sizes)
    expected = expected_jaccard(*sizes, p)
    if 0 in sizes or p in sizes:
        alone = ONE_EMPTY if 0 in sizes else ALL_DIMENSIONS
        return Overlap(*sizes, p, shared, jaccard, expected, nan, ceiling, nan, alone)
    adjusted = (jaccard - expected) / (1 - expected)
    return Overlap(*sizes, p, shared, jaccard, expected, adjusted, ceiling, chance_of_sharing(shared, *sizes, p))


def expected_jaccard(first: int, second: int, dimensions: int) -> float:
    """Return the mean Jaccard index of two independent random sets of given sizes, exactly.

    The number of shared dimensions x is hypergeometric, and J = x / (first + second - x) is averaged over it.

    Args:
        first: Size of one set, in [0, dimensions].
        second: Size of the other, in [0, dimensions].
        dimensions: Number p of dimensions to draw from, at least 1.

    Returns:
        A value in [0, 1]; NaN where both sets are empty.

    Raises:
        DataError: a size is outside its range.
    """
    _check_sizes((first, second), dimensions)
    if first + second == 0:
        return nan
    shared = np.arange(max(0, first + second - dimensions), min(first, second) + 1)
    return float(hypergeom.pmf(shared, dimensions, first, second) @ (shared / (first + second - shared)))


def chance_of_sharing(shared: int, first: int, second: int, dimensions: int) -> float:
    """Return the probability that two independent random sets share at least `shared` dimensions.

    Args:
        shared: Number of dimensions in both sets.
        first: Size of one set, in [0, dimensions].
        second: Size of the other, in [0, dimensions].
        dimensions: Number p of dimensions to draw from.

    Returns:
        The upper tail of the hypergeometric distribution, in [0, 1].

    Raises:
        DataError: a size is outside its range.
    """
    _check_sizes((first, second), dimensions)
    return float(hypergeom.sf(shared - 1, dimensions, first, second))


def fewest_shared(sizes: Sequence[int], dimensions: int) -> float:
    """Return the smallest mean number of dimensions that the pairs of some sets can share.

    A dimension that lies in c of the sets is shared by c (c - 1) / 2 pairs, and the c add up to the sum of sizes. The
    mean over pairs is smallest where the c differ by at most one (pigeonhole).

    Args:
        sizes: Size of each set, at least two sets, each in [0, dimensions].
        dimensions: Number p of dimensions.

    Returns:
        Shared dimensions, mean over all pairs of sets; 0 only where the sizes leave room for sets without overlap.

    Raises:
        DataError: fewer than two sets, or a size is outside its range.
    """
    _check_sizes(sizes, dimensions)
    if len(sizes) < 2:
        raise DataError("Expected at least two sets", f"found {len(sizes)}", "Give the sizes of the sets to compare")
    times, more = divmod(int(sum(sizes)), dimensions)
    pairs = (dimensions - more) * times * (times - 1) / 2 + more * (times + 1) * times / 2
    return pairs / (len(sizes) * (len(sizes) - 1) / 2)


def _check_sizes(sizes: Sequence[int], dimensions: int) -> None:
    if dimensions < 1 or not all(0 <= size <= dimensions for size in sizes):
        found = f"found sizes {', '.join(map(str, sizes))} of {dimensions} dimensions"
        remedy = "Give sizes from 0 to the number of dimensions"
        raise DataError("Expected sets no larger than the embedding", found, remedy)


DRAWS = 200
"""Permutations that a control is the mean of, since a single one can be far from 0 by chance."""


@dataclass(frozen=True)
class PermutedOverlap:
    """How much two signatures share when the dimensions of both are permuted.

    Args:
        jaccard: Mean over the draws; NaN where J is not defined.
        adjusted: Mean over the draws, near 0; NaN where the sizes alone decide J.
        p_value: Median over the draws: near 0.5, above it for signatures of few dimensions. NaN where `adjusted` is.
    """

    jaccard: float
    adjusted: float
    p_value: float


def permuted_overlap(overlap: Overlap, *names: object, draws: int = DRAWS) -> PermutedOverlap:
    """Return what two sets share when their dimensions are permuted, over many draws.

    What permuted sets share depends on their sizes alone and is hypergeometric, so only the number shared is drawn.

    Args:
        overlap: Of the two sets.
        names: What the draws are for; their seed is `seed_for("permuted overlap", *names)`.
        draws: How many, at least 1.
    """
    if np.isnan(overlap.jaccard):
        return PermutedOverlap(nan, nan, nan)
    sizes, p = (overlap.first, overlap.second), overlap.dimensions
    shared = generator_for("permuted overlap", *names).hypergeometric(sizes[0], p - sizes[0], sizes[1], size=draws)
    jaccard = float((shared / (sum(sizes) - shared)).mean())
    if np.isnan(overlap.adjusted):
        return PermutedOverlap(jaccard, nan, nan)
    adjusted = (jaccard - overlap.expected) / (1 - overlap.expected)
    median = int(np.quantile(shared, 0.5, method="higher"))
    return PermutedOverlap(jaccard, adjusted, chance_of_sharing(median, *sizes, p))


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
        found = f"found {len(first)} and {len(second)} rows"
        raise DataError("Expected two embeddings of the same images", found, "Choose the rows that both have")
    if not first.any() or not second.any():
        return nan
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
        found = f"found shapes {first.shape} and {second.shape}"
        remedy = "Compare runs of one encoder on at least two common images"
        raise DataError("Expected two embeddings of the same images and length", found, remedy)
    if np.array_equal(first, second):
        # every dimension is its own best partner; dimensions that respond alike or not at all would be drawn by lot
        return Matching(np.arange(first.shape[1]), np.where(np.ptp(first, axis=0) > 0, 1.0, 0.0))
    correlation = np.clip(_unit(first).T @ _unit(second), -1, 1)
    rows, partner = linear_sum_assignment(correlation, maximize=True)
    return Matching(partner, correlation[rows, partner])


def _unit(embedding: np.ndarray) -> np.ndarray:
    """Centre each dimension and scale it to length 1; zero where it does not vary."""
    centred = _centred(embedding)
    length = np.linalg.norm(centred, axis=0)
    return centred / np.where(length > 0, length, 1.0)
