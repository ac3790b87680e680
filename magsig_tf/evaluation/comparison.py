"""Two methods compared on the same runs, cases and draws: `magsig compare METHOD REFERENCE`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import pandas as pd

from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap, mean_values
from magsig_tf.evaluation.summary import notes
from magsig_tf.evaluation.summary.frame import (
    POOLED,
    IntervalSettings,
    ResultTable,
    count_behind,
    datasets_of,
    numbers_of,
)
from magsig_tf.reasons import NO_PAIR, SOME_HOLDOUTS, Reason
from magsig_tf.runs.matrix import Group, Matrix, arrange, differing
from magsig_tf.runs.run import LoadedRuns
from magsig_tf.statistics.intervals import INTERVAL_KIND, holm
from magsig_tf.statistics.replicates import LEVELS

SHOWN = ("value", "low", "high", "p", "interval", "replicates", "partial_replicates", "reason", "reason_code")
DatasetPairs = tuple[Collection[str], Collection[str]] | None
"""Names of the data sets that the method, and that the reference is taken from; None where that is not told."""
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
    pair, pooled, nan = cells.pair, target == POOLED, float("nan")
    wanted = expected if pooled else [target]
    holdouts = [name for name in wanted if name in pair.holdouts]
    values, counts = cells.values(holdouts, fold), count_behind(pair.runs_at(holdouts, fold), "test")
    reason = Reason() if values else WITHOUT_PAIR
    if values and pooled and len(holdouts) < len(expected):
        reason = Reason(SOME_HOLDOUTS, f"pools {len(holdouts)} of {len(expected)} holdouts")
    alone = [cells.values([holdout]) for holdout in holdouts if pooled]
    means = mean_values([{name: value.difference for name, value in each.items()} for each in alone])
    base: dict[str, object] = {}
    for prefix, name, group in (("", "method", pair.first), ("reference_", "reference", pair.reference)):
        base |= {name: group.method, f"{prefix}config": group.config_hash, f"{prefix}label": group.label}
    if pair.reference.dataset:
        base["reference_dataset"] = pair.reference.dataset
    counts["pairs"] = counts.pop("runs")
    behind = counts | {"left_out": sum(holdout in wanted for holdout, _, _ in pair.left_out)}
    rows = []
    for metric in cells.metrics:
        value = values.get(metric.name)
        cell = value.difference if value else None
        numbers = numbers_of(metric, cell, counts, reason, settings, cells.level, difference=True, tested=True)
        row = base | {"holdout": target, "level": cells.level, "metric": metric.name}
        row |= {name: numbers[name] for name in SHOWN}
        sides = (value.first.value, value.reference.value) if value else (nan, nan)
        row["method_value"], row["reference_value"] = sides
        rows.append(row | {"holdout_mean": means.get(metric.name, nan)} | behind)
    return rows


@dataclass(frozen=True)
class Comparison(ResultTable):
    """Paired differences between two methods.

    Args:
        table: One row per pair of configs, holdout, level and metric; the columns are listed in docs/numbers.md.
        method: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        pairs: The pairs of configs behind it.
        differing: For each pair, the settings besides the method that differ, with both values.
        level: Coverage that the intervals aim at.
        threshold: Decision threshold, or "validation".
        remarks: Sentences on what the runs of several data sets have in common.
    """

    method: str
    reference: str
    pairs: list[Pair] = field(repr=False)
    differing: list[dict[str, tuple]] = field(repr=False)
    level: float
    threshold: float | str
    remarks: list[str] = field(default_factory=list)


def compare(
    loaded: LoadedRuns,
    method: str,
    reference: str,
    *,
    sides: DatasetPairs = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    threshold: float | str = 0.5,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Calculate the differences between two methods with intervals and p-values.

    Args:
        loaded: Runs of one data set, from `load_runs`, or of several, from `put_side_by_side`.
        method: Whose numbers come first.
        reference: Whose numbers are subtracted; the same name compares the configs of one method with each other, and
            of several data sets the data sets with each other.
        sides: Of several data sets, the names of those that the method, and that the reference is taken of; None
            compares two methods within each data set.
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
    pairs, differences = _pairs(matrix, method, reference, sides)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    steps, rows = list(product(pairs, LEVELS)), []
    for done, (pair, unit) in enumerate(steps):
        progress(done, len(steps))
        either = {*matrix.holdouts_of(pair.first), *matrix.holdouts_of(pair.reference)}
        expected = [holdout for holdout in matrix.holdouts if holdout in either]
        cells = PairedCells(pair, unit, chosen, bootstrap, threshold)
        for target in [*expected, POOLED] if len(expected) > 1 else expected:
            rows += comparison_rows(cells, target, expected, settings)
    progress(len(steps), len(steps))
    table = with_holm(pd.DataFrame(rows))
    table.insert(0, "dataset", datasets_of(table["label"], matrix, loaded))
    table["threshold"] = str(threshold)
    about = (method, reference, pairs, differences, level, threshold, list(loaded.notes))
    return Comparison(loaded.dataset, table, replicates, *about)


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's p-values and the number of tests they account for.

    Together are corrected: the pairs and holdouts of one metric at one level; pooled rows, which repeat them, apart.

    Args:
        table: Columns metric, level, holdout and p.
    """
    families = table.groupby(["metric", "level", table["holdout"] == POOLED])["p"]
    tests = families.transform(lambda p: np.isfinite(p).sum()).astype(int)
    return table.assign(holm_p=families.transform(lambda p: holm(p.to_numpy())), tests=tests)


def _pairs(
    matrix: Matrix, method: str, reference: str, sides: DatasetPairs
) -> tuple[list[Pair], list[dict[str, tuple]]]:
    """Pair configs whose settings agree; where none do, all of them, with the settings that differ."""
    candidates = _candidates(matrix, method, reference, sides)
    if not candidates:
        raise _nothing_to_compare(matrix, method, reference)
    apart = [differing(*pair) for pair in candidates]
    places = [(first.dataset, other.dataset) for first, other in candidates]
    alike = {place for place, keys in zip(places, apart, strict=True) if not keys}
    same = [n for n, (place, keys) in enumerate(zip(places, apart, strict=True)) if not keys or place not in alike]
    pairs = [pair_groups(first, second) for first, second in (candidates[number] for number in same)]
    if not any(pair.keys for pair in pairs):
        example = next(f"{name}: {reason}" for name, reason in pairs[0].left_out.values())
        expected = f"Expected runs of {method} and {reference} on the same splits, patient folds and seeds"
        remedy = "Train the missing ones with the same --holdout, --patient-fold and --seed"
        raise RunError(expected, f"found none ({example})", remedy)
    return pairs, [apart[number] for number in same]


def _candidates(matrix: Matrix, method: str, reference: str, sides: DatasetPairs) -> list[tuple[Group, Group]]:
    """Return what may be paired: within each data set, and across them where they are told or the methods are one."""
    firsts, references = (_groups_of(matrix, name) for name in (method, reference))
    if sides is not None:
        firsts = [group for group in firsts if group.dataset in sides[0]]
        references = [group for group in references if group.dataset in sides[1]]
        return [(first, other) for first, other in product(firsts, references) if first is not other]
    several = len({group.dataset for group in matrix.groups}) > 1
    pairs = combinations(firsts, 2) if method == reference else product(firsts, references)
    return [
        (first, other)
        for first, other in pairs
        if not several or (first.dataset != other.dataset) == (method == reference)
    ]


def _nothing_to_compare(matrix: Matrix, method: str, reference: str) -> UsageError:
    if len({group.dataset for group in matrix.groups}) > 1:
        expected = f"Expected runs of {method} and {reference} in the data sets that are compared"
        where = ", ".join(group.label for group in matrix.groups if group.method in (method, reference))
        remedy = "Name the data set of the reference with --reference-dataset, or train what is missing"
        return UsageError(expected, f"found {where}, and no two of them to compare", remedy)
    remedy = "Compare it with another method. " + nearest("", {group.method for group in matrix.groups})
    return UsageError("Expected two methods, or one with several configs", f"found one config of {method!r}", remedy)


def _groups_of(matrix: Matrix, method: str) -> list[Group]:
    found = [group for group in matrix.groups if group.method == method]
    if not found:
        known = {group.method for group in matrix.groups}
        raise UsageError("Expected a method with finished runs", f"found none of {method!r}", nearest(method, known))
    return found


def comparison_notes(comparison: Comparison, metrics: Sequence[str]) -> list[str]:
    """Return the notes that belong to one printed comparison.

    Args:
        comparison: The comparison.
        metrics: Names of the metrics shown.

    Returns:
        One or two sentences per note; what could mislead most comes first.
    """
    shown = comparison.table[comparison.table["metric"].isin(metrics)]
    paired = shown[shown["reason_code"] != NO_PAIR].to_dict("records")
    groups = {group.label: group for pair in comparison.pairs for group in (pair.first, pair.reference)}
    return [
        *comparison.remarks,
        *notes.marked(groups.values()),
        *_other_settings(comparison),
        *_without_partner(comparison),
        *notes.listed(
            (f"{row['label']} {row['holdout']}", words) for row in paired for words in notes.reasons_of_metric(row)
        ),
        *notes.few_cases(shown),
        *notes.partial_folds(shown),
        *_pooled_ranks(shown),
    ]


def _other_settings(comparison: Comparison) -> list[str]:
    """Say what else than the method differs between the two sides of a pair."""
    said = []
    for pair, keys in zip(comparison.pairs, comparison.differing, strict=True):
        words = [f"{key} {str(first)[:30]} against {str(second)[:30]}" for key, (first, second) in keys.items()]
        if words:
            labels = f"{pair.first.label} and {pair.reference.label}"
            said.append(f"{labels} differ in their settings: {notes.some(words)}.")
    return said


def _without_partner(comparison: Comparison) -> list[str]:
    return [
        f"Left out, {reason}: {notes.some(names)}."
        for pair in comparison.pairs
        for reason, names in notes.names_of(pair.left_out.values()).items()
    ]


def _pooled_ranks(shown: pd.DataFrame) -> list[str]:
    rows = shown[(shown["holdout"] == POOLED) & (shown["metric"] == "auc") & np.isfinite(shown["holdout_mean"])]
    rows = rows[rows["level"] == "image"]
    return notes.pooled_ranks(
        f"{row.label} - {row.reference_label} {row.holdout_mean:+.3f}" for row in rows.itertuples()
    )
