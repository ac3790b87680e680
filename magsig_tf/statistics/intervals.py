"""Intervals and p-values from bootstrap replicates; docs/decisions/017 has the evidence for the kind of interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr, stdtrit

from magsig_tf.errors import UsageError, nearest

INTERVAL_KIND = "student"
"""The kind of interval of every table: the best of the simulation `benchmarks.interval_coverage`."""

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
"""Bounds of a metric that is a share, and of the difference of two."""

UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Bootstrapped:
    """One number as a kind of interval sees it.

    Args:
        value: The value of the sample.
        replicates: Its bootstrap replicates, shape (B,); undefined ones are NaN.
        cases: How many cases were drawn in each class, at least 2 each.
        bounds: Between which values the number must lie; infinite where there is no bound.
        stretched: Whether its errors are taken to be alike on a scale without bounds. They are not for a number that
            is biased away from a bound, as calibration errors in bins are: there the interval must reach that bound.
    """

    value: float
    replicates: np.ndarray = field(repr=False)
    cases: tuple[int, ...]
    bounds: tuple[float, float] = UNBOUNDED
    stretched: bool = True

    @property
    def known(self) -> np.ndarray:
        """The replicates that are defined."""
        return self.replicates[np.isfinite(self.replicates)]


def percentile_interval(replicates: np.ndarray, value: float, level: float) -> tuple[float, float]:
    """Return the percentile interval (Efron 1979): quantiles of the replicates, interpolated linearly.

    Args:
        replicates: Values of the replicates, shape (B,); undefined ones (NaN) are left out.
        value: The value of the sample; this kind does not use it.
        level: Coverage aimed at, in (0, 1).

    Returns:
        Lower and upper end.
    """
    tail = 50 * (1 - level)
    low, high = np.percentile(replicates[np.isfinite(replicates)], [tail, 100 - tail])
    return float(low), float(high)


def expanded_percentile_interval(number: Bootstrapped, level: float) -> tuple[float, float]:
    """Return a percentile interval at a level raised so that it is as wide as few cases require.

    For the mean of n values the percentile interval is too narrow by a factor of z / t and one of sqrt((n - 1) / n);
    the level that makes up for both is taken, with the quantile and the factor of `widening`.

    Source: Hesterberg, The American Statistician 69 (2015) 371-386, section 3.2, here with two classes of cases.
    """
    quantile, factor = widening(number.cases, level)
    raised = 2 * float(ndtr(quantile * factor)) - 1
    return percentile_interval(number.replicates, number.value, raised)


def student_interval(number: Bootstrapped, level: float) -> tuple[float, float]:
    """Return value +- t x bootstrap standard error, taken on a scale on which the number has no bounds.

    The standard error is the standard deviation of the replicates times the factor of `widening`. Between two bounds
    the scale is the logit, above one the logarithm; the error is carried over by the derivative (delta method), so
    that the interval never leaves the bounds. A number that is not `stretched` keeps its own scale, and its interval is
    cut off at the bounds. A number on a bound, or whose replicates are all the same, is an
    interval of length 0.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 12.2 (Student's t interval); the logit
    for AUC: Pepe, The Statistical Evaluation of Medical Tests (2003), section 5.2.
    """
    (low, high), known = number.bounds, number.known
    if len(known) < 2 or not low < number.value < high:
        return number.value, number.value
    quantile, factor = widening(number.cases, level)
    reach = quantile * factor * float(np.std(known, ddof=1))
    if not number.stretched:
        return max(low, number.value - reach), min(high, number.value + reach)
    if math.isfinite(low) and math.isfinite(high):
        share, span = (number.value - low) / (high - low), high - low
        middle, step = logit(share), reach / (span * share * (1 - share))
        return low + span * float(expit(middle - step)), low + span * float(expit(middle + step))
    if math.isfinite(low):
        height = number.value - low
        return low + height * math.exp(-reach / height), low + height * math.exp(reach / height)
    return number.value - reach, number.value + reach


@lru_cache
def widening(cases: tuple[int, ...], level: float) -> tuple[float, float]:
    """Return the quantile of Student's t, and the factor by which resampling understates a standard error.

    A number with a part from each class has variance sum of s^2 / n over the classes, taken with the same s in each.
    Its degrees of freedom are those of Welch and Satterthwaite. Drawing n of n cases gives each part (n - 1) / n of its
    variance.

    Args:
        cases: Cases in each class, at least 2 each.
        level: Coverage aimed at, in (0, 1).

    Source: Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    count = np.asarray(cases, float)
    parts = 1 / count
    freedom = parts.sum() ** 2 / (parts**2 / (count - 1)).sum()
    factor = math.sqrt(parts.sum() / (parts * (count - 1) / count).sum())
    return float(stdtrit(freedom, (1 + level) / 2)), factor


INTERVALS: dict[str, Callable[[Bootstrapped, float], tuple[float, float]]] = {
    "student": student_interval,
    "expanded_percentile": expanded_percentile_interval,
    "percentile": lambda number, level: percentile_interval(number.replicates, number.value, level),
}
"""Kinds of interval by name; each takes the number with its replicates, and the level."""


def interval(number: Bootstrapped, level: float = 0.95, kind: str = INTERVAL_KIND) -> tuple[float, float]:
    """Return the interval of one number, (NaN, NaN) where no replicate is defined.

    Args:
        number: The number with its replicates.
        level: Coverage aimed at, in (0, 1).
        kind: A key of `INTERVALS`.

    Raises:
        UsageError: the kind is unknown.
    """
    if kind not in INTERVALS:
        raise UsageError("Expected a kind of interval", f"found {kind!r}", nearest(kind, INTERVALS))
    if not len(number.known):
        return float("nan"), float("nan")
    return INTERVALS[kind](number, level)


def bootstrap_p_value(differences: ArrayLike) -> float:
    """Return the two-sided p-value of a difference: p = min(1, 2 (1 + min(#d <= 0, #d >= 0)) / (B + 1)).

    It belongs to the percentile interval: the interval of level 1 - p just touches 0.

    Args:
        differences: Replicates of the difference, shape (B,); undefined ones (NaN) are left out.

    Returns:
        In (0, 1], never below 2 / (B + 1); NaN where no replicate is defined.

    Source: the added 1s are those of Monte Carlo tests: Davison & Hinkley, Bootstrap Methods and their Application
    (1997), chapter 4.
    """
    known = np.asarray(differences, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return float("nan")
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (len(known) + 1))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p-values corrected for their number by Holm's step-down procedure.

    The i-th smallest of m is multiplied by m - i + 1 and is at least as large as the corrected one before it.

    Args:
        p_values: In [0, 1], shape (m,); NaN is no test and stays NaN.

    Returns:
        In [0, 1], shape (m,), in the order given.

    Source: Holm, Scand. J. Statist. 6 (1979) 65-70.
    """
    p_values = np.asarray(p_values, float)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests], kind="stable")]
    corrected = np.full(p_values.shape, np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(np.arange(len(order), 0, -1) * p_values[order]))
    return corrected
