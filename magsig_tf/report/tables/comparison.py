"""Paired differences between methods as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from magsig_tf.evaluation import METRICS
from magsig_tf.evaluation.comparison import Comparison, comparison_notes, with_holm
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import of_row
from magsig_tf.report.tables.models import (
    CASES,
    HELD_OUT,
    METHOD,
    METRIC,
    PRINTED,
    SHOWN,
    cases_words,
    interval_words,
    level_and_metric,
)
from magsig_tf.report.tables.table import CLEAR, Cell, Column, Pick, Scale, Table, rows_of, signed_number
from magsig_tf.report.words import absent, meanings
from magsig_tf.statistics.replicates import LEVELS

_P = "probability of a difference at least this large by chance"
_HOLM = f"p corrected for the number of tests, bold below {CLEAR}"
_COLUMNS = [
    replace(HELD_OUT, of=lambda row: Cell.place(row["holdout"], row["order"])),
    replace(METHOD, of=lambda row: Cell.of_method(row["label"])),
    Column("minus", "the method that is subtracted", False, of=lambda row: Cell.of_method(row["reference_label"])),
    replace(METRIC, of=lambda row: Cell(METRICS[row["metric"]].title)),
    Column(
        "difference", "method minus reference on the same cases and bootstrap draws", of=lambda row: _difference(row)
    ),
    Column("p", _P, of=lambda row: Cell.p_value(row["p"])),
    Column("Holm p", _HOLM, of=lambda row: Cell.p_value(row["holm_p"], decides=True)),
    replace(CASES, once=True, of=lambda row: Cell(cases_words(row) if row["pairs"] else "")),
    Column("pairs of runs", "same holdout, split, patient fold and seed", of=lambda row: Cell.count(row["pairs"])),
]


def differences_table(frame: pd.DataFrame, holdouts: Sequence[str], about: str) -> Table:
    """Return the differences of some comparisons, one row for each holdout, pair, metric and level.

    Args:
        frame: Joined frames of comparisons.
        holdouts: In their natural order.
        about: What holds for all cells.
    """
    order = [*holdouts, POOLED]
    scales = {metric: Scale.around_zero(rows) for metric, rows in frame.groupby("metric")}
    records = [row | {"order": order, "scale": scales[row["metric"]]} for row in frame.to_dict("records")]
    rows = rows_of(_COLUMNS, records, _about)
    rows.sort(key=lambda row: row.cells[0].value or 0.0)
    title = "Paired differences: method minus reference on the same cases"
    filters, short = level_and_metric(frame, "auc"), {"level": LEVELS[:1], "metric": PRINTED}
    return Table("comparison", title, _COLUMNS, rows, frame, about, filters, short=short)


def joined_differences(comparisons: Sequence[Comparison], holdouts: Sequence[str]) -> Table | None:
    """Return the differences of all methods to the reference; None where nothing was compared.

    Args:
        comparisons: Those of each method.
        holdouts: In their natural order.
    """
    if not comparisons:
        return None
    # one family of tests for all methods that are shown together
    frame = with_holm(pd.concat([each.table for each in comparisons], ignore_index=True))
    about = (
        f"{meanings(frame['metric'].unique())} {interval_words(comparisons[0].level, comparisons[0].replicates)} "
        "Holm's p corrects for all methods and holdouts of one metric and level shown here, pooled ones separately; "
        f"`magsig compare` corrects for those of one pair of methods.{_worse(METRICS)}"
    )
    notes = dict.fromkeys(note for each in comparisons for note in comparison_notes(each, SHOWN))
    return replace(differences_table(frame, holdouts, about), notes=list(notes))


def comparison_tables(comparison: Comparison, metrics: Sequence[str]) -> list[Table]:
    """Return a table for a terminal for each pair of configs: the image level beside the case level.

    Args:
        comparison: The differences.
        metrics: Names of the metrics to show.
    """
    table = comparison.table[comparison.table["metric"].isin(metrics)]
    table = table.assign(order=table["metric"].map(list(metrics).index)).sort_values("order", kind="stable")
    decides = f" Threshold: {comparison.threshold}." if any(METRICS[name].threshold for name in metrics) else ""
    about = (
        f"{meanings(metrics)} "
        f"{interval_words(comparison.level, comparison.replicates, ', both methods on the same draws')} Holm p counts "
        f"up to {table['tests'].max()} tests of one metric at one level, pooled ones apart.{_worse(metrics)}{decides}"
    )
    picks = []
    for level in LEVELS:
        where, first = {"level": level}, level == LEVELS[0]
        picks += [
            Pick(
                Column(f"{level} level\ndifference", "first method minus second" if first else ""), "difference", where
            ),
            Pick(Column("p", _P if first else ""), "p", where),
            Pick(Column("Holm p", _HOLM if first else ""), "Holm p", where),
        ]
    tables = []
    for pair in comparison.pairs:
        label, other = pair.first.label, pair.reference.label
        rows = table[(table["label"] == label) & (table["reference_label"] == other)]
        wide = differences_table(rows, list(dict.fromkeys(rows["holdout"])), about)
        wide = wide.wide(("held out", "metric", "cases b + m"), picks)
        title = f"{comparison.dataset}: {label} minus {other} at the held-out magnification"
        tables.append(replace(wide, title=title, ruled=True))
    return tables


def _worse(metrics: Iterable[str]) -> str:
    worse = [METRICS[name].title for name in metrics if METRICS[name].better == "lower"]
    return f" Above 0 is worse for {', '.join(worse)}." if worse else ""


def _difference(row: dict) -> Cell:
    numbers, why = (row["value"], row["low"], row["high"]), absent(of_row(row))
    return Cell.number(
        *numbers, absent=why, write=signed_number, scale=row["scale"], strong=bool(row["holm_p"] < CLEAR)
    )


def _about(row: dict) -> dict:
    values = {"level": row["level"], "metric": row["metric"]}
    return {"methods": (row["label"], row["reference_label"]), "holdouts": (row["holdout"],), "values": values}
