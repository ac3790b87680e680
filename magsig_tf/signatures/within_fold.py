"""How stable the signature of one run is over bootstraps of its training cases, lambda fixed at the run's choice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, combinations, starmap
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from magsig_tf.errors import DataError
from magsig_tf.linear_models.sparse_path import fit_scaling, solve_at
from magsig_tf.parallel_work import map_in_order
from magsig_tf.reasons import NO_BOUND, NO_SIGNATURE, Reason, joined
from magsig_tf.signatures import stability
from magsig_tf.signatures.common_draws import CommonDraws
from magsig_tf.signatures.sources import Progress, SourceSignature, silent
from magsig_tf.statistics.cases import bootstrap_rows, complementary_halves

PAIRS = 50
"""Complementary pairs of half-samples that the bounds are made from."""

WORTH_PROCESSES = 15.0
"""Seconds that the selections must take in one process for several to be started, which takes seconds itself."""

Select = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Takes embedding (n, p), label (n,) and case (n,) of some rows, returns which dimensions are selected, (p,)."""

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def bootstrap_selections(select: Select, data: Data, draws: int, *names: object, **how: Any) -> np.ndarray:
    """Select anew on bootstraps over cases; column means are selection frequencies.

    Args:
        select: What selects; a function of a module where `processes` is above 1.
        data: Embedding (n, p), label (n,) and case (n,) of the training rows.
        draws: Number B of bootstraps, at least 1.
        names: What the draws are for; they seed them.
        **how: `processes` and `progress` of `select_on`.

    Returns:
        Booleans of shape (B, p).
    """
    return select_on(select, data, list(bootstrap_rows(*data[1:], draws, *names)), **how)


def half_sample_selections(select: Select, data: Data, pairs: int = PAIRS, *names: object, **how: Any) -> np.ndarray:
    """Select on complementary half-samples of cases, for `bound_false_selections`.

    Args:
        select: As for `bootstrap_selections`.
        data: As for `bootstrap_selections`.
        pairs: Number B of pairs, at least 1.
        names: What the draws are for; they seed them.
        **how: `processes` and `progress` of `select_on`.

    Returns:
        Booleans of shape (B, 2, p).

    Raises:
        DataError: a class has fewer than two cases.
    """
    halves = list(chain.from_iterable(complementary_halves(*data[1:], pairs, *names)))
    return select_on(select, data, halves, **how).reshape(pairs, 2, -1)


def select_on(
    select: Select, data: Data, samples: Sequence[np.ndarray], processes: int = 1, progress: Progress = silent
) -> np.ndarray:
    """Select on several samples of rows.

    Args:
        select: As for `bootstrap_selections`.
        data: As for `bootstrap_selections`.
        samples: Row numbers of each sample, at least one sample.
        processes: How many may work at once, each with one thread; the result is the same.
        progress: Called with the number done and of all.

    Returns:
        Booleans of shape (samples, p).
    """
    drawn = (tuple(part[rows] for part in data) for rows in samples)
    started = time.perf_counter()
    progress(0, len(samples))
    with threadpool_limits(1):
        selected = [select(*next(drawn))]
        progress(1, len(samples))
        if (time.perf_counter() - started) * len(samples) < WORTH_PROCESSES:
            found: Iterable[np.ndarray] = starmap(select, drawn)
        else:
            found = map_in_order(partial(_in_one_thread, select), drawn, max(1, min(processes, len(samples) - 1)))
        for done, each in enumerate(found, 2):
            progress(done, len(samples))
            selected.append(each)
    return np.stack(selected).astype(bool)


def _in_one_thread(select: Select, part: Data) -> np.ndarray:
    with threadpool_limits(1):
        return select(*part)


def select_at(penalty: float, embedding: np.ndarray, label: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Return which dimensions are selected at a fixed lambda from some rows, which are standardised anew, bool (p,)."""
    features = fit_scaling(embedding).apply(embedding)
    return solve_at(features, label, penalty).coefficients[0] != 0


WITHOUT_SIGNATURE = Reason(NO_SIGNATURE, "not computable: no signature")


@dataclass(frozen=True)
class WithinFold:
    """What drawing the cases again says of some runs; docs/signatures.md lists the columns.

    Args:
        stability: One row per run.
        tests: One row per pair of methods at the same holdout, patient fold and seed.
        frequencies: One row per run and dimension.
        draws: One row per run and draw of training cases that all runs share; empty where there is no run.
        pair_draws: One row per pair of holdouts and such a draw; empty where no two can be paired.
    """

    stability: pd.DataFrame = field(repr=False)
    tests: pd.DataFrame = field(repr=False)
    frequencies: pd.DataFrame = field(repr=False)
    draws: pd.DataFrame = field(repr=False)
    pair_draws: pd.DataFrame = field(repr=False)


def measure_within_fold(
    fitted: Sequence[SourceSignature],
    bootstraps: int,
    *,
    pairs: int = PAIRS,
    processes: int = 1,
    progress: Progress = silent,
) -> WithinFold:
    """Select anew on bootstraps and on complementary half-samples of the training cases of every run.

    As many draws again are shared by all runs, for claims about their sizes and overlaps.

    Args:
        fitted: The signatures; those without one keep a row that says so.
        bootstraps: Number B of bootstraps, 50 or more for frequencies worth reading.
        pairs: Number of pairs of complementary halves.
        processes: How many work at once.
        progress: Called with the number of selections done and of all.

    Raises:
        DataError: a file has gone or changed since the signature was fitted.
    """
    each_total = 2 * bootstraps + 2 * pairs
    rows, frequencies, stabilities = [], [], {}
    common = CommonDraws(fitted, bootstraps)
    for number, each in enumerate(fitted):

        def report(done: int, _: int, before: int = number * each_total) -> None:
            progress(before + done, len(fitted) * each_total)

        row, table, measured = _run(each, common, bootstraps, pairs, processes, report)
        rows.append(each.source.columns | row)
        frequencies.append(table)
        source = each.source
        at = (source.holdout, source.patient_fold, None if source.seedless else source.seed)
        stabilities[source.label, *at] = measured
    stable = pd.DataFrame(rows).astype({"stable": "Int64"})
    every = pd.concat(frequencies, ignore_index=True)
    return WithinFold(stable, _tests(stabilities), every, common.sizes(), common.overlaps())


def _run(
    each: SourceSignature, common: CommonDraws, bootstraps: int, pairs: int, processes: int, report: Progress
) -> tuple[dict[str, object], pd.DataFrame, stability.Stability]:
    if each.classifier is None:
        nothing = stability.Stability(math.nan, math.nan, 0, math.nan, WITHOUT_SIGNATURE)
        return _columns(nothing, math.nan) | _bound_columns(WITHOUT_SIGNATURE), pd.DataFrame(), nothing
    train = each.source.read().of("train")
    data, select = (train.embedding, train.label, train.case), partial(select_at, each.classifier.penalty)
    # the test of two methods takes their draws as independent, so each run has its own
    names = (each.source.data, each.source.name)
    samples = list(bootstrap_rows(*data[1:], bootstraps, *names))
    try:
        halves = list(chain.from_iterable(complementary_halves(*data[1:], pairs, *names)))
    except DataError as error:
        words = f"no bound: {error.expected[0].lower()}{error.expected[1:]}, {error.found}"
        halves, bound = [], _bound_columns(Reason(NO_BOUND, words))
    shared = common.samples(each, train)
    # all in one go: starting the processes takes longer than many selections
    selected = select_on(select, data, [*samples, *halves, *shared], processes, report)
    drawn, halved = selected[:bootstraps], selected[bootstraps : bootstraps + len(halves)]
    halved = halved.reshape(-1, 2, train.dimensions)
    if shared:
        common.keep(each, train, selected[len(selected) - len(shared) :])
    if len(halved):
        bound = _bound_columns(stability.bound_false_selections(halved))
    measured = stability.nogueira_stability(drawn)
    control = stability.nogueira_stability(stability.permuted(drawn, *names))
    frequencies: dict[str, object] = {"dimension": np.arange(train.dimensions), "selected": each.selected}
    frequencies["bootstrap_frequency"] = drawn.mean(0)
    frequencies["half_sample_frequency"] = halved.mean((0, 1)) if len(halved) else math.nan
    return _columns(measured, control.index) | bound, pd.DataFrame(each.source.columns | frequencies), measured


def _columns(measured: stability.Stability, control: float) -> dict[str, object]:
    names = ("bootstraps", "mean_size", "nogueira", "nogueira_low", "nogueira_high", "control_nogueira")
    values = (measured.sets, measured.mean_size, measured.index, *measured.interval(), control)
    return dict(zip(names, values, strict=True)) | measured.reason.columns()


def _bound_columns(false: stability.FalseSelections | Reason) -> dict[str, object]:
    """Return the columns of the bound on false selections; a reason takes the place of what is not computable."""
    names = ("half_sample_size", "threshold", "stable", "false_bound", "false_bound_unimodal")
    if isinstance(false, Reason):
        values = (math.nan, stability.THRESHOLD, pd.NA, math.nan, math.nan)
        return dict(zip(names, values, strict=True)) | false.columns("bound_")
    known = (false.mean_size, false.threshold, false.stable, false.bound, false.unimodal_bound)
    return dict(zip(names, known, strict=True)) | false.reason.columns("bound_")


def _tests(stabilities: dict[tuple, stability.Stability]) -> pd.DataFrame:
    """Test methods against each other where holdout, patient fold and seed are the same; None stands for every seed."""
    names = ["holdout", "patient_fold", "seed", "first", "second", "difference", "p_value"]
    rows = []
    for ((first, *at, seed), one), ((second, *there, other_seed), other) in combinations(stabilities.items(), 2):
        if at != there or (seed != other_seed and None not in (seed, other_seed)):
            continue
        where = (*at, next((known for known in (seed, other_seed) if known is not None), 0))
        sides = ((first, one.reason), (second, other.reason))
        reason = joined(Reason(each.code, f"{label}: {each}") for label, each in sides if each)
        values = (*where, first, second, one.index - other.index, stability.same_stability_p_value(one, other))
        rows.append(dict(zip(names, values, strict=True)) | reason.columns())
    return pd.DataFrame(rows, columns=[*names, *Reason().columns()])
