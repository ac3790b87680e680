"""Bootstrap over cases: the draws, and the intervals made from replicates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from magsig_tf.errors import UsageError, nearest
from magsig_tf.seeding import generator_for

FEWEST_CASES = 5
"""With fewer cases than this in a class no interval is given."""

MANY_CASES = 30
"""Below this many cases an interval is likely too narrow."""


def case_multiplicities(strata: np.ndarray, replicates: int, *names: object) -> np.ndarray:
    """Draw how often each case appears in each bootstrap replicate.

    Cases are drawn with replacement within their stratum (their label), as many as the stratum has. One draw serves all
    images, folds, holdouts, seeds and methods, which makes every comparison paired.

    Args:
        strata: Label of each case, shape (cases,).
        replicates: Number B of replicates.
        names: What the draw is for; the seed is `seed_for("bootstrap", *names)`.

    Returns:
        Float64 whole numbers of shape (B + 1, cases). Row 0 is the sample itself (all ones), so that one calculation
        gives the value and its replicates.
    """
    generator = generator_for("bootstrap", *names)
    drawn = np.ones((replicates + 1, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        drawn[1:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), replicates)
    return drawn


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


INTERVALS: dict[str, Callable[[np.ndarray, float, float], tuple[float, float]]] = {"percentile": percentile_interval}
"""Kinds of interval by name; each takes the replicates, the value and the level."""


def interval(
    replicates: np.ndarray, value: float, level: float = 0.95, kind: str = "percentile"
) -> tuple[float, float]:
    """Return the interval of one number, (NaN, NaN) where no replicate is defined.

    Args:
        replicates: Values of the replicates, shape (B,).
        value: The value of the sample.
        level: Coverage aimed at, in (0, 1).
        kind: A key of `INTERVALS`.

    Raises:
        UsageError: the kind is unknown.
    """
    if kind not in INTERVALS:
        raise UsageError("Expected a kind of interval", f"found {kind!r}", nearest(kind, INTERVALS))
    if not np.isfinite(replicates).any():
        return float("nan"), float("nan")
    return INTERVALS[kind](replicates, value, level)
