"""Nogueira's stability index of several feature sets, with its interval and a test between two procedures.

Source: Nogueira, Sechidis and Brown, On the stability of feature selection, JMLR 18(174), 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from magsig_tf.errors import DataError
from magsig_tf.reasons import EMPTY, FEWER_THAN_TWO, NOTHING, SATURATED, Reason

ALL_EMPTY = Reason(EMPTY, "not defined: every signature is empty")
ALL_FULL = Reason(SATURATED, "not defined: every signature has all dimensions")
ONE_SET = Reason(FEWER_THAN_TWO, "not defined: fewer than two signatures")


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
    nan = float("nan")
    reason = ONE_SET if sets < 2 else ALL_EMPTY if not z.any() else ALL_FULL if z.all() else Reason()
    if reason:
        return Stability(nan, nan, sets, mean_size, reason)
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
    if spread == 0:
        return float(difference == 0)
    return float(2 * norm.sf(abs(difference) / spread))
