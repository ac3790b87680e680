"""Selection frequencies over resampled training cases, and Shah and Samworth's bounds on false selections."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from magsig_tf.errors import DataError
from magsig_tf.reasons import (
    NOTHING,
    NOTHING_SELECTED,
    NOTHING_STABLE,
    TOO_MANY_DIMENSIONS,
    VACUOUS_BOUND,
    Reason,
    joined,
)
from magsig_tf.statistics.cases import bootstrap_rows, complementary_halves

PAIRS = 50
"""Complementary pairs of half-samples that the bounds are made from."""

WORTH_PROCESSES = 15.0
"""Seconds that the selections must take in one process for several to be started, which takes seconds itself."""

Select = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Takes embedding (n, p), label (n,) and case (n,) of some rows, returns which dimensions are selected, (p,)."""

Data = tuple[np.ndarray, np.ndarray, np.ndarray]
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Take the number of steps done and of all, and say nothing."""


def bootstrap_selections(
    select: Select, data: Data, draws: int, *names: object, processes: int = 1, progress: Progress = silent
) -> np.ndarray:
    """Select anew on bootstraps over cases; column means are selection frequencies.

    Args:
        select: What selects; a function of a module where `processes` is above 1.
        data: Embedding (n, p), label (n,) and case (n,) of the training rows.
        draws: Number B of bootstraps, at least 1.
        names: What the draws are for; they seed them.
        processes: How many work at once.
        progress: Called with the number done and of all.

    Returns:
        Booleans of shape (B, p).
    """
    _, label, case = data
    return select_on(select, data, list(bootstrap_rows(label, case, draws, *names)), processes, progress)


def half_sample_selections(
    select: Select, data: Data, pairs: int = PAIRS, *names: object, processes: int = 1, progress: Progress = silent
) -> np.ndarray:
    """Select on complementary half-samples of cases, for `shah_samworth.bound_false_selections`.

    Args:
        select: As for `bootstrap_selections`.
        data: As for `bootstrap_selections`.
        pairs: Number B of pairs, at least 1.
        names: What the draws are for; they seed them.
        processes: How many work at once.
        progress: Called with the number done and of all.

    Returns:
        Booleans of shape (B, 2, p).

    Raises:
        DataError: a class has fewer than two cases.
    """
    _, label, case = data
    halves = [half for pair in complementary_halves(label, case, pairs, *names) for half in pair]
    return select_on(select, data, halves, processes, progress).reshape(pairs, 2, -1)


def select_on(
    select: Select, data: Data, samples: Sequence[np.ndarray], processes: int = 1, progress: Progress = silent
) -> np.ndarray:
    """Select on several samples of rows.

    Args:
        select: As for `bootstrap_selections`.
        data: As for `bootstrap_selections`.
        samples: Row numbers of each sample, at least one sample.
        processes: How many may work at once, each with one thread and a copy of the data; the result is the same.
        progress: Called with the number done and of all.

    Returns:
        Booleans of shape (samples, p).
    """
    progress(0, len(samples))
    started = time.perf_counter()
    selected = list(_in_order(select, data, samples[:1], 1))
    if (time.perf_counter() - started) * len(samples) < WORTH_PROCESSES:
        processes = 1
    progress(1, len(samples))
    for done, each in enumerate(_in_order(select, data, samples[1:], min(processes, len(samples) - 1)), 2):
        progress(done, len(samples))
        selected.append(each)
    return np.stack(selected).astype(bool)


def _in_order(select: Select, data: Data, rows: Iterable[np.ndarray], processes: int) -> Iterator[np.ndarray]:
    if processes <= 1:
        with threadpool_limits(1):
            for chosen in rows:
                yield select(*(part[chosen] for part in data))
        return
    # spawned, not forked: a forked child of a process with threads may hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_receive, initargs=(select, data)) as pool:
        yield from pool.map(_select_rows, rows)


_received: tuple[Select, Data] | None = None


def _receive(select: Select, data: Data) -> None:
    """Keep the data in a worker process, so that only row numbers travel for each selection."""
    global _received
    _received = select, data
    threadpool_limits(1)


def _select_rows(rows: np.ndarray) -> np.ndarray:
    assert _received is not None, "every worker begins with _receive"
    select, data = _received
    return select(*(part[rows] for part in data))


def usable_processes() -> int:
    """Return how many processes this machine lets magsig run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        return Reason(NOTHING_SELECTED, "no half-sample selects a dimension")
    if not stable:
        return Reason(NOTHING_STABLE, "no dimension is stable, so none can be falsely selected")
    reasons = []
    if bound >= stable:
        reasons.append(Reason(VACUOUS_BOUND, f"the bound {bound:.3g} is vacuous for {stable} stable dimensions"))
    if math.isnan(unimodal):
        words = "half-samples select too many dimensions for the unimodal bound"
        reasons.append(Reason(TOO_MANY_DIMENSIONS, words))
    elif unimodal >= stable:
        reasons.append(Reason(VACUOUS_BOUND, f"so is the unimodal one, {unimodal:.3g}"))
    return joined(reasons)


def _check(threshold: float) -> None:
    if not 0.5 < threshold <= 1:
        raise DataError("Expected a threshold above 0.5 and up to 1", f"found {threshold}", "Choose 0.6 to 0.9")
