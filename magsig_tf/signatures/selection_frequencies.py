"""How often each dimension is selected when the cases are drawn again, lambda fixed at the run's choice."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.signatures.case_resampling import bootstrap_rows, complementary_halves

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
    select, data = _received
    return select(*(part[rows] for part in data))


def usable_processes() -> int:
    """Return how many processes this machine lets magsig run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
