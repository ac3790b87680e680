"""How stable a selection is: Nogueira's index of several sets, its permuted control, and bounds on false selections.

Sources: Nogueira, Sechidis and Brown, On the stability of feature selection, JMLR 18(174), 2018; Shah and Samworth,
Variable selection with error control, J. R. Stat. Soc. B 75 (2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from magsig_tf import reasons
from magsig_tf.errors import DataError
from magsig_tf.reasons import NOTHING, VACUOUS_BOUND, Reason, joined
from magsig_tf.seeding import generator_for
from magsig_tf.signatures.overlap import DRAWS

ALL_EMPTY = Reason(reasons.EMPTY, "not defined: every signature is empty")
ALL_FULL = Reason(reasons.SATURATED, "not defined: every signature has all dimensions")
ONE_SET = Reason(reasons.FEWER_THAN_TWO, "not defined: fewer than two signatures")


@dataclass(frozen=True)
class Stability:
    """How alike the sets are that a procedure selects.

    Args:
        index: At most 1 (always the same set); 0 on average for random sets of one size, somewhat below for random sets
            of different sizes; NaN where not defined.
        variance: Of the index, for sets drawn independently; NaN where not defined.
        sets: Number M of sets.
        mean_size: Mean number of dimensions in a set.
        reason: Why it is not defined, in words; empty where it is.
    """

    index: float
    variance: float
    sets: int
    mean_size: float
    reason: Reason = NOTHING

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the index (corollary 9); it means little for a handful of sets.

        Args:
            level: Coverage aimed at, in (0, 1).

        Returns:
            Lower and upper end, not cut at 1; (NaN, NaN) where the index is not defined.
        """
        half = norm.ppf((1 + level) / 2) * math.sqrt(self.variance)
        return self.index - half, self.index + half


def nogueira_stability(selected: ArrayLike) -> Stability:
    """Return the stability index of some sets and its variance (definition 4 and theorem 7).

    Args:
        selected: Row i holds 1 (or True) where set i has the dimension, shape (M, p).

    Raises:
        DataError: it is no table with at least one set and one dimension.
    """
    z = np.asarray(selected, np.float64)
    if z.ndim != 2 or not z.size:
        raise DataError("Expected one row per set and one column per dimension", f"found shape {z.shape}")
    sets, p = z.shape
    frequency, sizes = z.mean(0), z.sum(1)
    mean_size = float(sizes.mean())
    reason = ONE_SET if sets < 2 else ALL_EMPTY if not z.any() else ALL_FULL if z.all() else Reason()
    if reason:
        return Stability(math.nan, math.nan, sets, mean_size, reason)
    share = mean_size / p
    chance = share * (1 - share)
    index = 1 - sets / (sets - 1) * float(np.mean(frequency * (1 - frequency))) / chance
    each = z @ frequency / p - sizes * share / p
    each += index / 2 * (2 * sizes * share / p - sizes / p - share + 1)
    each /= chance
    return Stability(index, float(4 / sets**2 * ((each - each.mean()) ** 2).sum()), sets, mean_size)


def same_stability_p_value(first: Stability, second: Stability) -> float:
    """Return the two-sided p-value for two procedures being equally stable (theorem 10).

    Args:
        first: Index of one procedure's sets.
        second: Index of the other's, whose sets are drawn independently of the first's.

    Returns:
        A value in [0, 1]; NaN where an index is not defined. Where neither index varies it is 1 for equal ones, 0 for
        others.
    """
    difference = first.index - second.index
    spread = math.sqrt(first.variance + second.variance)
    return float(difference == 0) if spread == 0 else float(2 * norm.sf(abs(difference) / spread))


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
    return Stability(total / draws, math.nan, one.sets, one.mean_size)


TOO_MANY = Reason(reasons.TOO_MANY_DIMENSIONS, "half-samples select too many dimensions for the unimodal bound")
THRESHOLD = 0.9
"""Share of half-samples from which on a dimension counts as stable."""


@dataclass(frozen=True)
class FalseSelections:
    """Stably selected dimensions, and how many of them may be false.

    A dimension counts as false where a half-sample selects it with probability q/p at most, that is no more often than
    a random choice of q dimensions would.

    Args:
        stable: Number of dimensions selected in at least a share `threshold` of the half-samples.
        bound: Expected number of false ones among them, at most, whatever the selection does (theorem 1).
        unimodal_bound: The same where simultaneous selection frequencies are unimodal (theorem 2); NaN where
            the theorem does not apply.
        mean_size: Mean number q of dimensions selected in a half-sample.
        threshold: In (1/2, 1].
        reason: Why a bound is vacuous or NaN, in words; empty where neither is.
    """

    stable: int
    bound: float
    unimodal_bound: float
    mean_size: float
    threshold: float
    reason: Reason = NOTHING


def bound_false_selections(selected: ArrayLike, threshold: float = THRESHOLD) -> FalseSelections:
    """Return the stable dimensions of complementary half-samples with the bounds on false ones.

    Args:
        selected: Which dimensions each half selected, booleans of shape (pairs, 2, p); the two halves of a pair have no
            case in common.
        threshold: Share of half-samples, in (1/2, 1].

    Raises:
        DataError: the shape or the threshold is another.
    """
    selected = np.asarray(selected, bool)
    if selected.ndim != 3 or selected.shape[1] != 2 or not selected.size:
        raise DataError("Expected selections of shape (pairs, 2, p)", f"found {selected.shape}")
    pairs, _, p = selected.shape
    q = float(selected.sum(2).mean())
    stable = int((selected.mean((0, 1)) >= threshold - 1e-12).sum())
    bound, unimodal = worst_case_bound(q, p, threshold), unimodal_bound(q, p, threshold, pairs)
    return FalseSelections(stable, bound, unimodal, q, threshold, _reason(stable, bound, unimodal, q))


def worst_case_bound(mean_size: float, dimensions: int, threshold: float) -> float:
    """Return q^2 / ((2 threshold - 1) p): theorem 1 with theta = q/p, which assumes nothing.

    Args:
        mean_size: Mean number q of dimensions selected in a half-sample, in [0, p].
        dimensions: Number p.
        threshold: In (1/2, 1].

    Raises:
        DataError: the threshold is outside its range.
    """
    _check(threshold)
    return mean_size**2 / ((2 * threshold - 1) * dimensions)


def unimodal_bound(mean_size: float, dimensions: int, threshold: float, pairs: int) -> float:
    """Return C(threshold, B) q^2 / p: theorem 2 with theta = q/p, for unimodal simultaneous frequencies.

    Args:
        mean_size: Mean number q of dimensions selected in a half-sample, in [0, p].
        dimensions: Number p.
        threshold: In (1/2, 1].
        pairs: Number B of complementary pairs.

    Returns:
        The bound; NaN where theta is above 1 / sqrt(3) or the threshold is too low for the theorem.

    Raises:
        DataError: the threshold is outside its range.
    """
    _check(threshold)
    theta = mean_size / dimensions
    lowest = min(0.5 + theta**2, 0.5 + 1 / (2 * pairs) + 0.75 * theta**2)
    if theta > 1 / math.sqrt(3) or threshold <= lowest:
        return float("nan")
    if threshold <= 0.75:
        factor = 1 / (2 * (2 * threshold - 1 - 1 / (2 * pairs)))
    else:
        factor = 4 * (1 - threshold + 1 / (2 * pairs)) / (1 + 1 / pairs)
    return factor * theta * mean_size


def _reason(stable: int, bound: float, unimodal: float, q: float) -> Reason:
    if not q:
        return Reason(reasons.NOTHING_SELECTED, "no half-sample selects a dimension")
    if not stable:
        return Reason(reasons.NOTHING_STABLE, "no dimension is stable, so none can be falsely selected")
    found = []
    if bound >= stable:
        found.append(Reason(VACUOUS_BOUND, f"the bound {bound:.3g} is vacuous for {stable} stable dimensions"))
    if math.isnan(unimodal):
        found.append(TOO_MANY)
    elif unimodal >= stable:
        found.append(Reason(VACUOUS_BOUND, f"so is the unimodal one, {unimodal:.3g}"))
    return joined(found)


def _check(threshold: float) -> None:
    if not 0.5 < threshold <= 1:
        raise DataError("Expected a threshold above 0.5 and up to 1", f"found {threshold}", "Choose 0.6 to 0.9")
