"""What two sets of embedding dimensions share, beside what chance shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
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
