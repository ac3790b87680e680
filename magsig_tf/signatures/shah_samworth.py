"""How many dimensions may be selected stably although they are hardly ever selected: Shah and Samworth's bounds.

Source: Shah and Samworth, Variable selection with error control: another look at stability selection, JRSS B 75, 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.errors import DataError

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
        reason: Why a bound says nothing or is NaN, in words; empty where both say something.
    """

    stable: int
    bound: float
    unimodal_bound: float
    mean_size: float
    threshold: float
    reason: str = ""


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


def _reason(stable: int, bound: float, unimodal: float, q: float) -> str:
    if not q:
        return "no half-sample selects anything"
    if not stable:
        return "no dimension is stable, so nothing can be false"
    words = []
    if bound >= stable:
        words.append(f"the bound {bound:.3g} says nothing about {stable} stable dimensions")
    if math.isnan(unimodal):
        words.append("half-samples select too many dimensions for the unimodal bound")
    elif unimodal >= stable:
        words.append(f"nor does the unimodal one, {unimodal:.3g}")
    return "; ".join(words)


def _check(threshold: float) -> None:
    if not 0.5 < threshold <= 1:
        raise DataError("Expected a threshold above 0.5 and up to 1", f"found {threshold}", "Choose 0.6 to 0.9")
