"""Whether a difference could be chance: p-values from bootstrap replicates, and Holm's correction for several tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


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
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(p_values.shape, np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return corrected
