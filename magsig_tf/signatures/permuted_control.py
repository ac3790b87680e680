"""What nothing looks like: signatures of the same sizes whose dimensions mean nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.seeding import generator_for
from magsig_tf.signatures.nogueira import Stability, nogueira_stability
from magsig_tf.signatures.overlap import Overlap, chance_of_sharing

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


def permuted(selected: ArrayLike, *names: object) -> np.ndarray:
    """Return sets of the same sizes with dimensions permuted at random, each set on its own.

    Args:
        selected: Row i holds which dimensions are in set i, shape (M, p).
        names: What the draw is for; set i has the seed `seed_for("permuted signature", *names, i)`.

    Returns:
        Booleans of shape (M, p).
    """
    selected = np.asarray(selected, bool)
    return np.stack([generator_for("permuted signature", *names, i).permutation(row) for i, row in enumerate(selected)])


def permuted_overlap(overlap: Overlap, *names: object, draws: int = DRAWS) -> PermutedOverlap:
    """Return what two sets share when their dimensions are permuted, over many draws.

    What permuted sets share depends on their sizes alone and is hypergeometric, so only the number shared is drawn.

    Args:
        overlap: Of the two sets.
        names: What the draws are for; their seed is `seed_for("permuted overlap", *names)`.
        draws: How many, at least 1.
    """
    nan = float("nan")
    if np.isnan(overlap.jaccard):
        return PermutedOverlap(nan, nan, nan)
    sizes, p = (overlap.first, overlap.second), overlap.dimensions
    shared = generator_for("permuted overlap", *names).hypergeometric(sizes[0], p - sizes[0], sizes[1], size=draws)
    jaccard = float((shared / (sum(sizes) - shared)).mean())
    if np.isnan(overlap.adjusted):
        return PermutedOverlap(jaccard, nan, nan)
    adjusted = (jaccard - overlap.expected) / (1 - overlap.expected)
    return PermutedOverlap(
        jaccard, adjusted, chance_of_sharing(int(np.quantile(shared, 0.5, method="higher")), *sizes, p)
    )


def permuted_stability(selected: ArrayLike, *names: object, draws: int = DRAWS) -> Stability:
    """Return Nogueira's index of sets whose dimensions are permuted, each set on its own, mean over many draws.

    Args:
        selected: Row i holds which dimensions are in set i, shape (M, p).
        names: What the draws are for; their seed is `seed_for("permuted stability", *names)`.
        draws: How many, at least 1.

    Returns:
        The index: near 0 for sets of one size, below it for sets of different sizes. Its variance is NaN, since a mean
        over draws is no procedure that could be tested.
    """
    selected = np.asarray(selected, bool)
    one = nogueira_stability(selected)
    if one.reason:
        return one
    generator = generator_for("permuted stability", *names)
    total = 0.0
    # a draw at a time keeps memory at one table, whatever p
    for _ in range(draws):
        total += nogueira_stability(generator.permuted(selected, axis=1)).index
    return Stability(total / draws, float("nan"), one.sets, one.mean_size)
