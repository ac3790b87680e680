"""Rows of the summary frame: values with their interval, counts, and the reason for what is absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from magsig_tf.evaluation.bootstrap import FEWEST_CASES
from magsig_tf.evaluation.catalogue import Metric
from magsig_tf.evaluation.cells import CellValue, GroupCells, average
from magsig_tf.evaluation.drop import NOT_RUN, Drop
from magsig_tf.evaluation.intervals import Bootstrapped, interval
from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.runs import Run

POOLED = "pooled"


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
    base = {
        "method": group.method,
        "config": group.config_hash,
        "label": group.label,
        "selection": group.selection,
        "batch_statistics": group.batch_statistics,
        "holdout": target,
        "level": cells.level,
        "missing_runs": len(matrix.missing(group, holdouts)),
        "compared": group in matrix.compared(holdouts),
    }
    absent = len(set(holdouts) - {run.holdout for run in runs})
    pooling = f"pools {len(holdouts) - absent} of {len(holdouts)} holdouts" if absent and runs else ""
    not_in_study = "" if target in (*expected, POOLED) else f"{NOT_RUN}: {target} is not in its study"
    quantities = (
        ("held_out", _over_seeds(cells, holdouts, "test"), runs, "test", pooling or not_in_study),
        ("in_domain", _over_seeds(cells, holdouts, "in_domain_test"), runs, "in_domain_test", pooling or not_in_study),
        ("as_source", drop.as_source, drop.runs, "test", drop.reason),
        ("drop", drop.held_out_minus_source, drop.runs, "test", drop.reason),
    )
    counts = {quantity: count_behind(behind, part) for quantity, _, behind, part, _ in quantities}
    joined = ("held_out", "in_domain") if target == POOLED else ()
    means = {q: _holdout_means(cells, holdouts, part) for q, _, _, part, _ in quantities if q in joined}
    return [
        {
            **base,
            "metric": metric.name,
            "quantity": quantity,
            **counts[quantity],
            **numbers_of(
                metric, values.get(metric.name), counts[quantity], reason, settings, difference=quantity == "drop"
            ),
            "holdout_mean": means.get(quantity, {}).get(metric.name, float("nan")),
        }
        for metric in cells.metrics
        for quantity, values, _, _, reason in quantities
    ]


def _over_seeds(cells: GroupCells, holdouts: Sequence[str], part: str) -> dict[str, CellValue]:
    """Calculate per seed, then average: seeds are repeats, not an ensemble."""
    group = cells.group
    by_seed = [cells.values(seed, holdouts, group.folds_at(seed, holdouts), part) for seed in group.seeds]
    by_seed = [values for values in by_seed if values]
    return {m.name: average([values[m.name] for values in by_seed]) for m in cells.metrics} if by_seed else {}


def _holdout_means(cells: GroupCells, holdouts: Sequence[str], part: str) -> dict[str, float]:
    """Return the unweighted mean over holdouts, which never ranks the answers of different models together."""
    values = [values for values in (_over_seeds(cells, [holdout], part) for holdout in holdouts) if values]
    return {m.name: float(np.mean([v[m.name].value for v in values])) for m in cells.metrics} if values else {}


def count_behind(runs: Sequence[Run], part: str) -> dict[str, int]:
    """Count what a quantity rests on: distinct test cases and images, patient folds, seeds and runs.

    Args:
        runs: The runs behind it; may be empty.
        part: The part of their predictions that it scores.
    """
    empty = pd.DataFrame({"row": [], "case": [], "label": []})
    seen = pd.concat([run.part(part)[["row", "case", "label"]] for run in runs] or [empty]).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique()
    return {
        "cases_benign": int(cases.get(0, 0)),
        "cases_malignant": int(cases.get(1, 0)),
        "images": len(seen),
        "folds": len({run.patient_fold for run in runs}),
        "seeds": len({run.seed for run in runs}),
        "runs": len(runs),
    }


def numbers_of(
    metric: Metric,
    cell: CellValue | None,
    counts: dict[str, int],
    reason: str,
    settings: IntervalSettings,
    *,
    difference: bool = False,
) -> dict[str, object]:
    """Return value, interval and what is to be said of them, as columns of a frame.

    Args:
        metric: The metric.
        cell: Its value with all replicates; None where it is not run.
        counts: From `count_behind`; with few cases there is no interval.
        reason: What else keeps it from resting on all that it should.
        settings: How intervals are made.
        difference: Whether it is a difference of two values of the metric.
    """
    nan = float("nan")
    numbers = {
        "value": nan,
        "low": nan,
        "high": nan,
        "interval": settings.kind,
        "fold_mean": nan,
        "fold_joined": nan,
        "undefined_folds": 0,
        "replicates": 0,
        "partial_replicates": 0,
        "reason": reason or NOT_RUN,
    }
    if cell is None:
        return numbers
    numbers.update(value=cell.value, fold_mean=cell.fold_mean, fold_joined=cell.fold_joined)
    numbers["undefined_folds"] = len(cell.undefined_folds)
    reasons = [reason]
    if np.isnan(cell.value):
        reasons.append(f"not defined: {metric.undefined}")
    else:
        if cell.undefined_folds and metric.over_folds == "mean":
            folds = ", ".join(map(str, cell.undefined_folds))
            reasons.append(f"without patient fold {folds}, not defined there: {metric.undefined}")
        fewest = min(counts["cases_benign"], counts["cases_malignant"])
        if fewest < FEWEST_CASES:
            reasons.append(f"no interval with fewer than {FEWEST_CASES} cases in a class")
        else:
            number = _bootstrapped(metric, cell, counts, difference)
            numbers["low"], numbers["high"] = interval(number, settings.level, settings.kind)
            numbers["replicates"] = len(number.known)
            numbers["partial_replicates"] = int(cell.partial[1:].sum())
    numbers["reason"] = "; ".join(filter(None, reasons))
    return numbers


def _bootstrapped(metric: Metric, cell: CellValue, counts: dict[str, int], difference: bool) -> Bootstrapped:
    bounds = metric.bounds_of_difference if difference else metric.bounds
    cases = counts["cases_benign"], counts["cases_malignant"]
    return Bootstrapped(cell.value, cell.values[1:], cases, bounds, stretched=not metric.binned)
