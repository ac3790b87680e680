"""The summary: every method at every holdout in numbers, as one tidy frame; and the numbers of a single run.

What each number means is written in docs/numbers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.data.identity import magnification_order
from magsig_tf.errors import UsageError
from magsig_tf.evaluation.cells.catalogue import Metric, choose_metrics
from magsig_tf.evaluation.cells.differences import NO_RUN, Drop, drop_at, mean_drop
from magsig_tf.evaluation.cells.values import CaseBootstrap, CellValue, GroupCells, averaged, count_cases, mean_values
from magsig_tf.reasons import (
    FEW_CASES,
    FEW_CASES_FOR_BINS,
    NO_TEST_IMAGES,
    NOT_IN_STUDY,
    SOME_FOLDS,
    SOME_HOLDOUTS,
    Reason,
    joined,
)
from magsig_tf.runs.matrix import Matrix, arrange
from magsig_tf.runs.run import LoadedRuns, Run
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import INTERVAL_KIND, Bootstrapped, interval, p_value
from magsig_tf.statistics.replicates import LEVELS

POOLED = "pooled"
TRAINED, SERVED = "trained", "served"
OF_ONE_RUN = (
    *("outputs", "part", "magnification", "level", "metric", "value", "low", "high", "interval"),
    *("cases_benign", "cases_malignant", "images", "reason", "reason_code"),
)


@dataclass(frozen=True)
class ResultTable:
    """Numbers of the runs of one data set.

    Args:
        dataset: Name of the data set.
        table: A tidy frame.
        replicates: Number B of bootstrap replicates.
    """

    dataset: str
    table: pd.DataFrame = field(repr=False)
    replicates: int

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()


@dataclass(frozen=True)
class IntervalSettings:
    """How intervals are made.

    Args:
        level: Coverage aimed at.
        kind: A key of `intervals.INTERVALS`.
    """

    level: float
    kind: str


def cell_rows(cells: GroupCells, matrix: Matrix, target: str, drop: Drop, settings: IntervalSettings) -> list[dict]:
    """Return the rows of one group, level and target: every metric as every quantity.

    Args:
        cells: Cells of the group at the level.
        matrix: All runs.
        target: A holdout, or "pooled" for the joined predictions of all of its study.
        drop: The drop at the target.
        settings: How intervals are made.
    """
    group = cells.group
    expected = matrix.holdouts_of(group)
    holdouts = expected if target == POOLED else [target]
    runs = [run for (holdout, _, _), run in group.runs.items() if holdout in holdouts]
    base: dict[str, object] = {"method": group.method, "config": group.config_hash, "label": group.label}
    base |= {"selection": group.selection, "batch_statistics": group.batch_statistics}
    base |= {"holdout": target, "level": cells.level}
    base |= {"missing_runs": len(matrix.missing(group, holdouts)), "compared": group in matrix.compared(holdouts)}
    absent = len(set(holdouts) - {run.holdout for run in runs})
    reason = Reason()
    if absent and runs:
        reason = Reason(SOME_HOLDOUTS, f"pools {len(holdouts) - absent} of {len(holdouts)} holdouts")
    elif target not in (*expected, POOLED):
        reason = Reason(NOT_IN_STUDY, f"{NO_RUN}: {target} is not in its study")
    quantities = (
        ("held_out", _over_seeds(cells, holdouts, "test"), runs, "test", reason),
        ("in_domain", _over_seeds(cells, holdouts, "in_domain_test"), runs, "in_domain_test", reason),
        ("as_source", drop.as_source, drop.runs, "test", drop.reason),
        ("drop", drop.change, drop.runs, "test", drop.reason),
    )
    counts = {quantity: count_behind(behind, part) for quantity, _, behind, part, _ in quantities}
    means = {}
    for quantity, part in (("held_out", "test"), ("in_domain", "in_domain_test")):
        alone = [_over_seeds(cells, [holdout], part) for holdout in holdouts if target == POOLED]
        means[quantity] = mean_values([values for values in alone if values])
    rows = []
    for metric in cells.metrics:
        for quantity, values, _, _, reason in quantities:
            value, behind = values.get(metric.name), counts[quantity]
            numbers = numbers_of(metric, value, behind, reason, settings, cells.level, difference=quantity == "drop")
            numbers["holdout_mean"] = means.get(quantity, {}).get(metric.name, float("nan"))
            rows.append(base | {"metric": metric.name, "quantity": quantity} | behind | numbers)
    return rows


def _over_seeds(cells: GroupCells, holdouts: Sequence[str], part: str) -> dict[str, CellValue]:
    """Calculate per seed, then average: seeds are repeats, not an ensemble."""
    group = cells.group
    by_seed = [cells.values(seed, holdouts, group.folds_at(seed, holdouts), part) for seed in group.seeds]
    return averaged([values for values in by_seed if values])


def count_behind(runs: Sequence[Run], part: str) -> dict[str, int]:
    """Count what a quantity rests on: distinct test cases and images, patient folds, seeds and runs.

    Exact methods have no seeds: for their runs alone the number of seeds is 0.

    Args:
        runs: The runs behind it; may be empty.
        part: The part of their predictions that it scores.
    """
    nothing = dict.fromkeys(("cases_benign", "cases_malignant", "images"), 0)
    counts = count_cases([run.part(part) for run in runs]) if runs else nothing
    folds, seeds = {run.patient_fold for run in runs}, {run.seed for run in runs if not run.seedless}
    return counts | {"folds": len(folds), "seeds": len(seeds), "runs": len(runs)}


def numbers_of(
    metric: Metric,
    cell: CellValue | None,
    counts: dict[str, int],
    reason: Reason,
    settings: IntervalSettings,
    level: str,
    *,
    difference: bool = False,
    tested: bool = False,
) -> dict[str, Any]:
    """Return value, interval and what is to be said of them, as columns of a frame.

    Args:
        metric: The metric.
        cell: Its value with all replicates; None where it is not run.
        counts: From `count_behind`; with few cases there is no interval.
        reason: What else keeps it from resting on all that it should.
        settings: How intervals are made.
        level: "image" or "case".
        difference: Whether it is a difference of two values of the metric.
        tested: Whether to add `p`, the p-value against 0 that belongs to the interval; it costs some 40 intervals.
    """
    numbers: dict[str, Any] = dict.fromkeys(("value", "low", "high"), float("nan")) | {"interval": settings.kind}
    numbers |= dict.fromkeys(("fold_mean", "fold_joined", *(("p",) if tested else ())), float("nan"))
    numbers |= dict.fromkeys(("undefined_folds", "replicates", "partial_replicates"), 0) | (reason or NO_RUN).columns()
    if cell is None:
        return numbers
    numbers |= {"value": cell.value, "fold_mean": cell.fold_mean, "fold_joined": cell.fold_joined}
    numbers["undefined_folds"] = len(cell.undefined_folds)
    reasons = [reason]
    if np.isnan(cell.value):
        reasons.append(Reason(metric.undefined.code, f"not defined: {metric.undefined}"))
    else:
        if cell.undefined_folds and metric.over_folds == "mean":
            folds = ", ".join(map(str, cell.undefined_folds))
            words = f"without patient fold {folds}, not defined there: {metric.undefined}"
            reasons.append(Reason(SOME_FOLDS, words))
        cases = counts["cases_benign"], counts["cases_malignant"]
        if metric.no_interval:
            reasons.append(metric.no_interval)
        elif min(cases) < FEWEST_CASES:
            reasons.append(Reason(FEW_CASES, f"no interval with fewer than {FEWEST_CASES} cases in a class"))
        elif level not in metric.interval_at:
            reasons.append(Reason(FEW_CASES_FOR_BINS, f"no interval at {level} level, where a bin has few cases"))
        else:
            bounds = metric.bounds_of_difference if difference else metric.bounds
            trials = (0, 0) if difference else metric.trials(*cases)
            number = Bootstrapped(cell.value, cell.values[1:], cases, bounds, not metric.binned, trials)
            found = interval(number, settings.level, settings.kind)
            numbers |= {"low": found.low, "high": found.high, "interval": found.kind}
            reasons.append(found.reason)
            if tested:
                numbers["p"] = p_value(number, kind=settings.kind)
            numbers["replicates"] = len(number.known)
            numbers["partial_replicates"] = int(cell.partial[1:].sum())
    return numbers | joined(reasons).columns()


@dataclass(frozen=True)
class Summary(ResultTable):
    """Numbers of all finished runs of a data set.

    Args:
        table: One row per method, config, holdout, level, metric and quantity; docs/numbers.md lists the columns.
        matrix: The runs behind it.
        unfinished: Name and state of runs that are not finished.
        level: Coverage that the intervals aim at.
        threshold: Decision threshold, or "validation".
        remarks: Sentences on what the runs of several data sets have in common.
    """

    matrix: Matrix = field(repr=False)
    unfinished: list[tuple[str, str]]
    level: float
    threshold: float | str
    remarks: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Names of missing runs: every fold and seed of a group at every holdout of its study is expected."""
        return [group.name_of(*key) for group in self.matrix.groups for key in self.matrix.missing(group)]


def summarise(
    loaded: LoadedRuns,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    threshold: float | str = 0.5,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Calculate all numbers of the finished runs, with case-bootstrap intervals.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        metrics: Names of `METRICS`; None means all.
        replicates: Number B of bootstrap replicates, at least 1.
        threshold: Decision threshold in [0, 1], or "validation" to choose it on each run's validation part.
        level: Coverage that the intervals aim at, in (0, 1).
        kind: A key of `intervals.INTERVALS`.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: a metric, threshold or kind of interval is unknown.
        RunError: the threshold is to come from validation and a run has no validation predictions of both classes.
    """
    if threshold != "validation" and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise UsageError("Expected a threshold from 0 to 1, or validation", f"found {threshold!r}")
    chosen, settings = choose_metrics(metrics), IntervalSettings(level, kind)
    matrix, bootstrap = arrange(loaded.runs), CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    targets = [*matrix.holdouts, POOLED] if len(matrix.holdouts) > 1 else matrix.holdouts
    steps = [(group, unit) for group in matrix.groups for unit in LEVELS]
    rows: list[dict] = []
    for done, (group, unit) in enumerate(steps):
        cells = GroupCells(group, unit, chosen, bootstrap, threshold)
        drops: dict[str, Drop] = {}
        expected = matrix.holdouts_of(group)
        for number, target in enumerate(targets):
            progress(done * len(targets) + number, len(steps) * len(targets))
            pooled = target == POOLED
            drops[target] = mean_drop([drops[h] for h in expected]) if pooled else drop_at(cells, matrix, target)
            rows += cell_rows(cells, matrix, target, drops[target], settings)
    progress(len(steps) * len(targets), len(steps) * len(targets))
    table = pd.DataFrame(rows)
    table.insert(0, "dataset", datasets_of(table["label"], matrix, loaded))
    table["threshold"] = str(threshold)
    remarks = list(loaded.notes)
    return Summary(loaded.dataset, table, replicates, matrix, loaded.unfinished, level, threshold, remarks)


def datasets_of(labels: pd.Series, matrix: Matrix, loaded: LoadedRuns) -> pd.Series | str:
    """Return the data set of each row by its label: that of all runs, or of several side by side its own."""
    own = {group.label: group.dataset for group in matrix.groups}
    return labels.map(own) if any(own.values()) else loaded.dataset


def one_run_table(run: Run, temperature: float | None = None, replicates: int = 2000) -> pd.DataFrame:
    """Calculate every metric of one run on its test cases, at each magnification for itself.

    Args:
        run: A finished run.
        temperature: Divides the logits of the model that is served; None where it serves the probabilities as trained.
        replicates: Bootstrap replicates over cases.

    Returns:
        Columns `OF_ONE_RUN`, one row for each kind of outputs ("trained", and "served" where there is a temperature),
        part ("held_out" at the holdout, else "in_domain"), magnification, level ("image", "case") and metric. Value
        and interval are those of `summarise`; where they are NaN the reason says why.
    """
    kinds = {TRAINED: run} if temperature is None else {TRAINED: run, SERVED: _tempered(run, temperature)}
    rows = [
        _rows_at(each, magnification, replicates).assign(outputs=outputs)
        for outputs, each in kinds.items()
        for magnification in magnification_order(run.magnifications)
    ]
    return pd.concat(rows, ignore_index=True)[list(OF_ONE_RUN)]


def _rows_at(run: Run, magnification: str, replicates: int) -> pd.DataFrame:
    """Return the rows of one magnification, as those of a run that is tested there only."""
    held_out = magnification == run.holdout
    tested = run.part("test" if held_out else "in_domain_test", magnification).assign(part="test")
    alone = run.with_predictions(tested, holdout=magnification)
    part = "held_out" if held_out else "in_domain"
    if tested.empty:
        rows = pd.DataFrame(list(product(LEVELS, ("auc", "brier", "ece"))), columns=["level", "metric"])
        nothing: dict[str, Any] = dict.fromkeys(("value", "low", "high"), np.nan) | {"interval": INTERVAL_KIND}
        nothing |= dict.fromkeys(("cases_benign", "cases_malignant", "images"), 0)
        nothing |= Reason(NO_TEST_IMAGES, "not run: no test images at this magnification").columns()
        return rows.assign(part=part, magnification=magnification, **nothing)
    table = summarise(LoadedRuns("", [alone], []), replicates=replicates).table
    return table[table["quantity"] == "held_out"].assign(part=part, magnification=magnification)


def _tempered(run: Run, temperature: float) -> Run:
    probability = run.predictions["probability"].to_numpy(float)
    with np.errstate(divide="ignore"):  # a probability of 0 or 1 has an infinite logit, and keeps it
        logit = np.log(probability) - np.log1p(-probability)
    return run.with_predictions(run.predictions.assign(probability=1 / (1 + np.exp(-logit / temperature))))
