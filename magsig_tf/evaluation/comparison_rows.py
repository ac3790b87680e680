"""Rows of a comparison: differences with interval and p-value, counts, and the reason for what is absent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magsig_tf.evaluation.catalogue import Metric
from magsig_tf.evaluation.drop import NOT_RUN
from magsig_tf.evaluation.paired import Pair, PairedCells, PairedValue
from magsig_tf.evaluation.significance import bootstrap_p_value
from magsig_tf.evaluation.summary_rows import POOLED, IntervalSettings, count_behind, numbers_of

NO_PAIR = f"{NOT_RUN}: no two runs on the same split, patient fold and seed"


def comparison_rows(
    cells: PairedCells, target: str, expected: Sequence[str], settings: IntervalSettings, fold: int | None = None
) -> list[dict]:
    """Return the rows of one pair, level and target: one a metric.

    Args:
        cells: Cells of the pair at the level.
        target: A holdout, or "pooled" for the joined predictions of all of them.
        expected: The holdouts that either group should have.
        settings: How intervals are made.
        fold: Limit the runs to this patient fold; None takes all.
    """
    pair = cells.pair
    holdouts = [name for name in (expected if target == POOLED else [target]) if name in pair.holdouts]
    values, counts = cells.values(holdouts, fold), count_behind(pair.runs_at(holdouts, fold), "test")
    pooling = f"pools {len(holdouts)} of {len(expected)} holdouts" if target == POOLED and holdouts else ""
    reason = NO_PAIR if not values else pooling if len(holdouts) < len(expected) else ""
    means = _holdout_means(cells, holdouts) if target == POOLED else {}
    base = {
        **_names(pair),
        "holdout": target,
        "level": cells.level,
    }
    counts["pairs"] = counts.pop("runs")
    return [
        {
            **base,
            "metric": metric.name,
            **_numbers(metric, values.get(metric.name), counts, reason, settings),
            "holdout_mean": means.get(metric.name, float("nan")),
            **counts,
            "left_out": _left_out(pair, expected if target == POOLED else [target]),
        }
        for metric in cells.metrics
    ]


def _names(pair: Pair) -> dict[str, str]:
    return {
        "method": pair.first.method,
        "config": pair.first.config_hash,
        "label": pair.first.label,
        "reference": pair.reference.method,
        "reference_config": pair.reference.config_hash,
        "reference_label": pair.reference.label,
    }


def _numbers(
    metric: Metric, value: PairedValue | None, counts: dict[str, int], reason: str, settings: IntervalSettings
) -> dict[str, object]:
    """Return the difference, both sides and the p-value, which is absent where the interval is."""
    numbers = numbers_of(metric, value and value.difference, counts, reason, settings, difference=True)
    shown = ("value", "low", "high", "interval", "replicates", "partial_replicates", "reason")
    tested = value is not None and np.isfinite(numbers["low"])
    return {
        **{name: numbers[name] for name in shown},
        "p": bootstrap_p_value(value.difference.values[1:]) if tested else float("nan"),
        "method_value": value.first.value if value else float("nan"),
        "reference_value": value.reference.value if value else float("nan"),
    }


def _holdout_means(cells: PairedCells, holdouts: Sequence[str]) -> dict[str, float]:
    """Return the unweighted mean difference over holdouts, which never ranks the answers of different models."""
    values = [cells.values([holdout]) for holdout in holdouts]
    return {m.name: float(np.mean([v[m.name].difference.value for v in values])) for m in cells.metrics if values}


def _left_out(pair: Pair, holdouts: Sequence[str]) -> int:
    """Count the runs without a partner at some holdouts."""
    return sum(holdout in holdouts for holdout, _, _ in pair.left_out)
