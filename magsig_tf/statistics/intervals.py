"""Intervals and p-values from bootstrap replicates; docs/decisions/017 has the evidence for the kind of interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr, stdtrit

from magsig_tf.errors import UsageError, nearest
from magsig_tf.reasons import NO_SPREAD, NOTHING, ONE_SIDED, Reason

INTERVAL_KIND = "student"
"""The kind of interval of every table: the best of the simulation `benchmarks.interval_coverage`."""

SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
"""Bounds of a metric that is a share, and of the difference of two."""

UNBOUNDED = (-math.inf, math.inf)

FEWEST_TO_RESAMPLE = 1.5
"""Fewer cases than this, as large cases among small ones make of many, are taken as so many."""

SAME = 1e-9
"""Replicates that differ by no more than rounding does are the same."""


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
        trials: For a value on its lower and one on its upper bound, how many cases had to be alike to put it there;
            0 where that bounds nothing, as for a difference.
    """

    value: float
    replicates: np.ndarray = field(repr=False)
    cases: tuple[int, ...]
    bounds: tuple[float, float] = UNBOUNDED
    stretched: bool = True
    trials: tuple[int, int] = (0, 0)

    @property
    def known(self) -> np.ndarray:
        """The replicates that are defined."""
        return self.replicates[np.isfinite(self.replicates)]


@dataclass(frozen=True)
class Interval:
    """An interval of one number.

    Args:
        low: Lower end; NaN where there is no interval.
        high: Upper end.
        kind: A key of `INTERVALS`, or `ONE_SIDED`.
        reason: Why there is none, or why it is one-sided; else empty.
    """

    low: float
    high: float
    kind: str
    reason: Reason = NOTHING

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end."""
        return self.low, self.high


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
    that the interval never leaves the bounds. A number that is not `stretched`, or that lies on a bound, keeps its own
    scale, and its interval is cut off at the bounds. It takes two replicates at least that differ.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 12.2 (Student's t interval); the logit
    for AUC: Pepe, The Statistical Evaluation of Medical Tests (2003), section 5.2.
    """
    low, high = number.bounds
    quantile, factor = widening(number.cases, level)
    reach = quantile * factor * float(np.std(number.known, ddof=1))
    if not (number.stretched and low < number.value < high):
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

    A number with a part from each class has variance sum of s^2 / n over the classes. Its degrees of freedom lie
    between those of the smaller class alone and those of all cases (Welch, Satterthwaite), by how much each part
    varies. With few cases that cannot be told, and often one class has most of it, so they are those of the smaller
    class. Drawing n of n cases gives each part (n - 1) / n of its variance, here with the same s in each.

    Args:
        cases: Cases in each class, at least 2 each.
        level: Coverage aimed at, in (0, 1).
    """
    return float(stdtrit(min(cases) - 1, (1 + level) / 2)), understatement(cases)


def understatement(cases: Sequence[float]) -> float:
    """Return the factor by which resampling cases understates a standard error.

    Args:
        cases: Cases in each class; taken as 1.5 where there are fewer.
    """
    count = np.maximum(np.asarray(cases, float), FEWEST_TO_RESAMPLE)
    return math.sqrt((1 / count).sum() / ((count - 1) / count**2).sum())


def degrees_of_freedom(variances: ArrayLike, freedoms: ArrayLike) -> float:
    """Return the degrees of freedom of a sum of independent parts.

    Args:
        variances: Of each part, shape (parts,).
        freedoms: Degrees of freedom with which each variance is known, shape (parts,).

    Source: Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    variances, freedoms = np.asarray(variances, float), np.asarray(freedoms, float)
    return float(variances.sum() ** 2 / (variances**2 / freedoms).sum())


INTERVALS: dict[str, Callable[[Bootstrapped, float], tuple[float, float]]] = {
    "student": student_interval,
    "expanded_percentile": expanded_percentile_interval,
    "percentile": lambda number, level: percentile_interval(number.replicates, number.value, level),
}
"""Kinds of interval by name; each takes the number with its replicates, and the level."""


def interval(number: Bootstrapped, level: float = 0.95, kind: str = INTERVAL_KIND) -> Interval:
    """Return the interval of one number.

    Where all replicates are the same they say nothing of how far the number may be off. A value on a bound then has a
    one-sided interval (`one_sided_interval`), any other value none.

    Args:
        number: The number with its replicates.
        level: Coverage aimed at, in (0, 1).
        kind: A key of `INTERVALS`.

    Raises:
        UsageError: the kind is unknown.
    """
    if kind not in INTERVALS:
        raise UsageError("Expected a kind of interval", f"found {kind!r}", nearest(kind, INTERVALS))
    known = number.known
    if len(known) and (len(known) < 2 or np.ptp(known) <= SAME):
        return one_sided_interval(number, level, kind)
    low, high = INTERVALS[kind](number, level) if len(known) else (math.nan, math.nan)
    return Interval(low, high, kind)


def one_sided_interval(number: Bootstrapped, level: float, kind: str = INTERVAL_KIND) -> Interval:
    """Return the interval of a value on a bound whose replicates are all the same; none for any other value.

    A number between 0 and 1 that is 1 because each of n independent cases (or pairs of cases) went well would be 1 with
    a probability of at most theta^n if its true value were theta. So values below (1 - level)^(1/n) are ruled out: the
    exact bound of Clopper and Pearson for n of n. For AUC n is the number of cases of the smaller class, since so many
    pairs share no case; no number of cases gives a higher bound for every distribution of scores, because the cases of
    the smaller class that are ranked last, if there are any, may be the only ones in the wrong place. It takes images
    per case to say nothing of how well a case is ranked.

    Source: Clopper & Pearson, Biometrika 26 (1934) 404-413.
    """
    low, high = number.bounds
    width = high - low
    for bound, cases, word in zip((low, high), number.trials, ("upper", "lower"), strict=True):
        if cases and len(number.known) > 1 and abs(number.value - bound) <= SAME:
            ruled_in = width * (1 - (1 - level) ** (1 / cases))
            ends = (low, low + ruled_in) if bound == low else (high - ruled_in, high)
            why = f"{level:.0%} {word} bound from {cases} cases, since all replicates are the same"
            return Interval(ends[0], ends[1], ONE_SIDED, Reason(ONE_SIDED, f"one-sided: {why}"))
    return Interval(math.nan, math.nan, kind, Reason(NO_SPREAD, "no interval, since all replicates are the same"))


SMALLEST_P = 1e-6
"""No p-value is told to be smaller: so far into its tail no number of cases says what a distribution is."""
_HALVINGS = 40
"""Of the range in which the p-value lies, on the scale of logarithms."""


def p_value(number: Bootstrapped, against: float = 0.0, kind: str = INTERVAL_KIND) -> float:
    """Return the two-sided p-value of a value: 1 minus the highest level whose interval leaves it out.

    The test is the interval turned round, so p is below .05 exactly where the 95 % interval excludes the value, for
    every kind of interval whose ends move outwards with the level.

    Args:
        number: The number with its replicates.
        against: The value that is tested, 0 for a difference.
        kind: A key of `INTERVALS`.

    Returns:
        In [`SMALLEST_P`, 1]; NaN where there is no interval.

    Raises:
        UsageError: the kind is unknown.

    Source: Lehmann & Romano, Testing Statistical Hypotheses (2005), section 3.5: intervals and tests are duals.
    """
    if not all(map(math.isfinite, interval(number, 0.5, kind).ends)):
        return float("nan")

    def excluded(p: float) -> bool:
        low, high = interval(number, 1 - p, kind).ends
        return not low <= against <= high

    if excluded(SMALLEST_P):
        return SMALLEST_P
    included, p = SMALLEST_P, 1.0
    for _ in range(_HALVINGS):
        middle = math.sqrt(included * p)
        included, p = (included, middle) if excluded(middle) else (middle, p)
    return p


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
