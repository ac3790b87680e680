"""Two methods compared on the same runs, cases and draws: `magsig compare METHOD REFERENCE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import pandas as pd

from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.evaluation.cells.catalogue import Metric, choose_metrics
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, PairedValue, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings, count_behind, numbers_of
from magsig_tf.evaluation.summary.notes import few_cases, marked, partial_folds, reasons_of_metric, some
from magsig_tf.reasons import NO_PAIR, SOME_HOLDOUTS, Reason
from magsig_tf.runs.finished import LoadedRuns
from magsig_tf.runs.matrix import Group, Matrix, arrange
from magsig_tf.runs.settings import differing
from magsig_tf.statistics.intervals import INTERVAL_KIND
from magsig_tf.statistics.significance import bootstrap_p_value, holm
from magsig_tf.statistics.units import LEVELS

WITHOUT_PAIR = Reason(NO_PAIR, "no two runs on the same split, patient fold and seed")


def comparison_rows(
    cells: PairedCells, target: str, expected: Sequence[str], settings: IntervalSettings, fold: int | None = None
) -> list[dict]:
    """Return the rows of one pair, level and target: one per metric.

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
    reason = Reason() if values else WITHOUT_PAIR
    if values and target == POOLED and len(holdouts) < len(expected):
        reason = Reason(SOME_HOLDOUTS, f"pools {len(holdouts)} of {len(expected)} holdouts")
    means = _holdout_means(cells, holdouts) if target == POOLED else {}
    base = {**_names(pair), "holdout": target, "level": cells.level}
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
    metric: Metric, value: PairedValue | None, counts: dict[str, int], reason: Reason, settings: IntervalSettings
) -> dict[str, object]:
    """Return the difference, both sides and the p-value, which is absent where the interval is."""
    numbers = numbers_of(metric, value.difference if value else None, counts, reason, settings, difference=True)
    shown = ("value", "low", "high", "interval", "replicates", "partial_replicates", "reason", "reason_code")
    return {
        **{name: numbers[name] for name in shown},
        "p": bootstrap_p_value(value.difference.values[1:]) if value and np.isfinite(numbers["low"]) else float("nan"),
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


@dataclass(frozen=True)
class Comparison:
    """Paired differences between two methods.

    Args:
        dataset: Name of the data set.
        method: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        table: One row per pair of configs, holdout, level and metric; the columns are listed in docs/numbers.md.
        pairs: The pairs of configs behind it.
        differing: For each pair, the settings besides the method that differ, with both values.
        replicates: Number B of bootstrap replicates.
        level: Coverage that the intervals aim at.
        threshold: Decision threshold, or "validation".
    """

    dataset: str
    method: str
    reference: str
    table: pd.DataFrame = field(repr=False)
    pairs: list[Pair] = field(repr=False)
    differing: list[dict[str, tuple]] = field(repr=False)
    replicates: int
    level: float
    threshold: float | str

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()


def compare(
    loaded: LoadedRuns,
    method: str,
    reference: str,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    threshold: float | str = 0.5,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Calculate the differences between two methods with intervals and p-values.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        method: Whose numbers come first.
        reference: Whose numbers are subtracted; the same name compares the configs of one method with each other.
        metrics: Names of `METRICS`; None means all.
        replicates: Number B of bootstrap replicates, at least 1.
        threshold: Decision threshold in [0, 1], or "validation" to choose it on each run's validation part.
        level: Coverage that the intervals aim at, in (0, 1).
        kind: A key of `intervals.INTERVALS`.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: a method has no runs, or one config is to be compared with itself.
        RunError: no two runs can be paired.
    """
    matrix, chosen, settings = arrange(loaded.runs), choose_metrics(metrics), IntervalSettings(level, kind)
    pairs, differences = _pairs(matrix, method, reference)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    steps, rows = list(product(range(len(pairs)), LEVELS)), []
    for done, (number, unit) in enumerate(steps):
        progress(done, len(steps))
        pair = pairs[number]
        either = {*matrix.holdouts_of(pair.first), *matrix.holdouts_of(pair.reference)}
        expected = [holdout for holdout in matrix.holdouts if holdout in either]
        cells = PairedCells(pair, unit, chosen, bootstrap, threshold)
        for target in [*expected, POOLED] if len(expected) > 1 else expected:
            rows += comparison_rows(cells, target, expected, settings)
    progress(len(steps), len(steps))
    table = with_holm(pd.DataFrame(rows))
    table.insert(0, "dataset", loaded.dataset)
    table["threshold"] = str(threshold)
    return Comparison(loaded.dataset, method, reference, table, pairs, differences, replicates, level, threshold)


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's p-values and the number of tests they account for.

    Together are corrected: the pairs and holdouts of one metric at one level; pooled rows, which repeat them, apart.

    Args:
        table: Columns metric, level, holdout and p.
    """
    families = table.groupby(["metric", "level", table["holdout"] == POOLED])["p"]
    return table.assign(
        holm_p=families.transform(lambda p: holm(p.to_numpy())),
        tests=families.transform(lambda p: np.isfinite(p).sum()).astype(int),
    )


def _pairs(matrix: Matrix, method: str, reference: str) -> tuple[list[Pair], list[dict[str, tuple]]]:
    """Pair configs whose settings agree; where none do, all of them, with the settings that differ."""
    groups = [_groups_of(matrix, name) for name in (method, reference)]
    candidates = list(combinations(groups[0], 2)) if method == reference else list(product(*groups))
    if not candidates:
        raise UsageError(
            "Expected two methods, or one with several configs",
            f"found one config of {method!r}",
            f"Compare it with another method. {_known(matrix)}",
        )
    apart = [differing(*pair) for pair in candidates]
    same = [number for number, keys in enumerate(apart) if not keys] or list(range(len(candidates)))
    pairs = [pair_groups(first, second) for first, second in (candidates[number] for number in same)]
    if not any(pair.keys for pair in pairs):
        example = next(f"{name}: {reason}" for name, reason in pairs[0].left_out.values())
        raise RunError(
            f"Expected runs of {method} and {reference} on the same splits, patient folds and seeds",
            f"found none ({example})",
            "Train the missing ones with the same --holdout, --patient-fold and --seed",
        )
    return pairs, [apart[number] for number in same]


def _groups_of(matrix: Matrix, method: str) -> list[Group]:
    found = [group for group in matrix.groups if group.method == method]
    if not found:
        known = {group.method for group in matrix.groups}
        raise UsageError("Expected a method with finished runs", f"found none of {method!r}", nearest(method, known))
    return found


def _known(matrix: Matrix) -> str:
    return nearest("", {group.method for group in matrix.groups})


def comparison_notes(comparison: Comparison, metrics: Sequence[str]) -> list[str]:
    """Return the notes that belong to one printed comparison.

    Args:
        comparison: The comparison.
        metrics: Names of the metrics shown.

    Returns:
        One or two sentences per note; what could mislead most comes first.
    """
    shown = comparison.table[comparison.table["metric"].isin(metrics)]
    groups = {group.label: group for pair in comparison.pairs for group in (pair.first, pair.reference)}
    return [
        *marked(groups.values()),
        *_other_settings(comparison),
        *_without_partner(comparison),
        *_reasons(shown),
        *few_cases(shown),
        *partial_folds(shown),
        *_pooled_ranks(shown),
    ]


def _other_settings(comparison: Comparison) -> list[str]:
    """Say what else than the method differs between the two sides of a pair."""
    notes = []
    for pair, keys in zip(comparison.pairs, comparison.differing, strict=True):
        words = [f"{key} {str(first)[:30]} against {str(second)[:30]}" for key, (first, second) in keys.items()]
        if words:
            notes.append(f"{pair.first.label} and {pair.reference.label} differ in their settings: {some(words)}.")
    return notes


def _without_partner(comparison: Comparison) -> list[str]:
    notes = []
    for pair in comparison.pairs:
        by_reason: dict[str, list[str]] = {}
        for name, reason in pair.left_out.values():
            by_reason.setdefault(reason, []).append(name)
        notes += [f"Left out, {reason}: {some(names)}." for reason, names in by_reason.items()]
    return notes


def _reasons(shown: pd.DataFrame) -> list[str]:
    cells: dict[str, dict[str, None]] = {}
    for row in shown[shown["reason_code"] != NO_PAIR].to_dict("records"):
        for words in reasons_of_metric(row):
            cells.setdefault(words, {})[f"{row['label']} {row['holdout']}"] = None
    return [f"{some(list(names))}: {words}." for words, names in cells.items()]


def _pooled_ranks(shown: pd.DataFrame) -> list[str]:
    """Give the mean over holdouts beside a pooled AUC, which mixes the scores of several models."""
    rows = shown[(shown["holdout"] == POOLED) & (shown["metric"] == "auc") & np.isfinite(shown["holdout_mean"])]
    rows = rows[rows["level"] == "image"]
    means = ", ".join(f"{row.label} - {row.reference_label} {row.holdout_mean:+.3f}" for row in rows.itertuples())
    if not means:
        return []
    return [f"Pooled AUC mixes scores of different models; prefer the mean over holdouts: {means}."]
