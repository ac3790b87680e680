"""Rows of the summary frame: values with their interval, counts, and the reason for what is absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from magsig_tf.evaluation.bootstrap import FEWEST_CASES, interval
from magsig_tf.evaluation.catalogue import Metric
from magsig_tf.evaluation.cells import CellValue, GroupCells, average
from magsig_tf.evaluation.drop import NOT_RUN, Drop
from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.runs import Run

POOLED = "pooled"
PART_OF = {"held_out": "test", "in_domain": "in_domain_test", "as_source": "test", "drop": "test"}
"""Quantities of the summary, and the part whose cases and images each counts."""


@dataclass(frozen=True)
class IntervalSettings:
    """How intervals are made.

    Args:
        level: Coverage aimed at.
        kind: A key of `bootstrap.INTERVALS`.
    """

    level: float
    kind: str


def cell_rows(cells: GroupCells, matrix: Matrix, target: str, drop: Drop, settings: IntervalSettings) -> list[dict]:
    """Return the rows of one group, level and target: every metric as every quantity.

    Args:
        cells: Cells of the group at the level.
        matrix: All runs.
        target: A holdout, or "pooled" for the joined predictions of all of them.
        drop: The drop at the target.
        settings: How intervals are made.
    """
    group = cells.group
    holdouts = matrix.holdouts if target == POOLED else [target]
    runs = [run for (holdout, _, _), run in group.runs.items() if holdout in holdouts]
    base = {
        "method": group.method,
        "config": group.config_hash,
        "label": group.label,
        "selection": group.selection,
        "holdout": target,
        "level": cells.level,
        "folds": len({run.patient_fold for run in runs}),
        "seeds": len({run.seed for run in runs}),
        "runs": len(runs),
        "missing_runs": len(matrix.missing(group, holdouts)),
    }
    absent = len(set(holdouts) - {run.holdout for run in runs})
    pooling = f"pools {len(holdouts) - absent} of {len(holdouts)} holdouts" if absent and runs else ""
    values = {
        "held_out": (_over_seeds(cells, matrix, holdouts, "test"), pooling),
        "in_domain": (_over_seeds(cells, matrix, holdouts, "in_domain_test"), pooling),
        "as_source": (drop.as_source, drop.reason),
        "drop": (drop.held_out_minus_source, drop.reason),
    }
    counts = {part: _counts(runs, part) for part in set(PART_OF.values())}
    return [
        {
            **base,
            "metric": metric.name,
            "quantity": quantity,
            **counts[PART_OF[quantity]],
            **_numbers(metric, by_metric.get(metric.name), counts[PART_OF[quantity]], reason, settings),
        }
        for metric in cells.metrics
        for quantity, (by_metric, reason) in values.items()
    ]


def _over_seeds(cells: GroupCells, matrix: Matrix, holdouts: Sequence[str], part: str) -> dict[str, CellValue]:
    """Calculate per seed, then average: seeds are repeats, not an ensemble."""
    by_seed = [cells.values(seed, holdouts, cells.group.folds(seed, holdouts), part) for seed in matrix.seeds]
    by_seed = [values for values in by_seed if values]
    return {m.name: average([values[m.name] for values in by_seed]) for m in cells.metrics} if by_seed else {}


def _counts(runs: Sequence[Run], part: str) -> dict[str, int]:
    if not runs:
        return {"cases_benign": 0, "cases_malignant": 0, "images": 0}
    seen = pd.concat([run.part(part)[["row", "case", "label"]] for run in runs]).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique()
    return {"cases_benign": int(cases.get(0, 0)), "cases_malignant": int(cases.get(1, 0)), "images": len(seen)}


def _numbers(
    metric: Metric, cell: CellValue | None, counts: dict[str, int], reason: str, settings: IntervalSettings
) -> dict[str, object]:
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
            drawn = cell.values[1:]
            numbers["low"], numbers["high"] = interval(drawn, cell.value, settings.level, settings.kind)
            numbers["replicates"] = int(np.isfinite(drawn).sum())
            numbers["partial_replicates"] = int(cell.partial[1:].sum())
    numbers["reason"] = "; ".join(filter(None, reasons))
    return numbers
