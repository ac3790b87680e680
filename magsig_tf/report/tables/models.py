"""The summary as a table: every method at every holdout, as the terminal and three tables of the page show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import pandas as pd

from magsig_tf.evaluation import METRICS, Summary
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import NOT_IN_STUDY, of_row
from magsig_tf.report.tables.table import Cell, Column, Filter, Pick, Row, Scale, Table, signed_number
from magsig_tf.report.words import MEANINGS, absent, meanings
from magsig_tf.statistics.replicates import LEVELS

SHOWN = ("auc", "f1", "brier", "ece")
"""Metrics of the terminal, if none are asked for."""
PRINTED = ("auc", "f1", "sensitivity", "specificity", "brier", "ece")
"""Metrics of the LaTeX files."""
CALIBRATION = (
    *("brier", "brier_reliability", "brier_resolution", "brier_uncertainty", "log_loss", "ece", "ece_equal_width"),
    *("sensitivity", "specificity"),
)

HELD_OUT = Column("held\nout", "the magnification left out of training and tested on", False, True, once=True)
METHOD = Column("method", "", False, True, width=18)
METRIC = Column("metric", "", False, True)
CASES = Column("cases\nb + m", "benign and malignant test cases", key=True)
_WORDS = {
    "held_out": "at the held-out magnification",
    "in_domain": "the same cases at the source magnifications",
    "as_source": "the same images in models trained at that magnification",
    "drop": (
        "the value held out minus the value on the same images from models trained at that magnification; its sign is "
        "turned where lower is better, so that minus always means worse"
    ),
}
_TITLES = {"held_out": "held-out", "in_domain": "in-domain", "as_source": "as a source", "drop": "drop"}


def level_and_metric(frame: pd.DataFrame, metric: str) -> list[Filter]:
    """Return the choices of level and metric above a table of a tidy frame.

    Args:
        frame: With the columns level and metric.
        metric: The metric that is shown at first.
    """
    metrics = {name: METRICS[name].title for name in METRICS if name in set(frame["metric"])}
    return [level_filter(frame), Filter("metric", metrics, metric if metric in metrics else "")]


def level_filter(frame: pd.DataFrame) -> Filter:
    """Return the choice of level above a table of a tidy frame."""
    return Filter("level", {level: f"{level} level" for level in LEVELS if level in set(frame["level"])}, LEVELS[0])


def interval_words(level: float, replicates: int, more: str = "") -> str:
    """Say what interval each value has."""
    return f"Interval of each value: {level:.0%}, {replicates:,} bootstraps over cases{more}."


def cases_words(row: dict) -> str:
    """Return the benign and malignant test cases behind a number."""
    return f"{row['cases_benign']} + {row['cases_malignant']}"


def models_table(summary: Summary) -> Table:
    """Return every metric at every held-out magnification, as each quantity.

    Args:
        summary: All numbers.
    """
    order, labels = [*summary.matrix.holdouts, POOLED], [group.label for group in summary.matrix.groups]
    frame, best = summary.table, best_labels(summary)
    scales = {metric: _scales(rows) for metric, rows in frame.groupby("metric")}
    keys = ("label", "holdout", "level", "metric")
    rows = []
    for (label, holdout, level, metric), found in groupby(
        frame.to_dict("records"), lambda row: tuple(row[key] for key in keys)
    ):
        row_of = {row["quantity"]: row for row in found}
        first = row_of["held_out"]
        cells = [Cell.place(holdout, order), Cell.of_method(label), Cell(METRICS[metric].title)]
        cells.append(Cell(cases_words(first) if first["runs"] else ""))
        for quantity in _TITLES:
            strong = quantity == "held_out" and label in best.get((holdout, level, metric), ())
            cells.append(_cell(row_of[quantity], scales[metric], strong))
        cells += [Cell.count(first["images"]), Cell.count(first["runs"])]
        study = "other" if first["reason_code"] == NOT_IN_STUDY else "own"
        rows.append(Row(cells, (label,), (holdout,), {"level": level, "metric": metric, "study": study}))
    rows.sort(key=lambda row: (row.cells[0].value, labels.index(row.methods[0])))
    columns = [HELD_OUT, METHOD, METRIC, CASES]
    columns += [Column(title, _WORDS[name]) for name, title in _TITLES.items()]
    columns += [Column("images", "distinct test images"), Column("runs", "finished runs behind the held-out value")]
    about = f"{meanings(frame['metric'].unique())} {_shared_words(summary)} Threshold: {summary.threshold}."
    short = {"level": LEVELS[:1], "metric": PRINTED}
    return Table("models", "", columns, rows, frame, about, level_and_metric(frame, "auc"), short=short)


def summary_table(summary: Summary, level: str, metrics: Sequence[str]) -> Table:
    """Return one level for a terminal: a row for each holdout and method, the first metric also as a drop.

    Args:
        summary: All numbers.
        level: "image" or "case".
        metrics: Names of the metrics to show.
    """
    picks = [_pick(metrics[0], name, _WORDS[name]) for name in ("held_out", "in_domain")]
    picks.append(_pick(metrics[0], "drop", _drop_words(metrics[0])))
    picks += [_pick(name, "held_out", "") for name in metrics[1:]]
    wide = models_table(summary).where(level=[level]).wide(("held out", "method", "cases b + m"), picks)
    decides = f" Threshold: {summary.threshold}." if any(METRICS[name].threshold for name in metrics) else ""
    title = f"{summary.dataset}: tested at the held-out magnification ({level} level)"
    about = f"{meanings(metrics)} {_shared_words(summary)}{decides}"
    return replace(wide, title=title, about=about, ruled=True)


def _shared_words(summary: Summary) -> str:
    return f"{interval_words(summary.level, summary.replicates)} Bold: the best at a holdout."


def _drop_words(metric: str) -> str:
    title, source = METRICS[metric].title, "on the same images from models trained at that magnification"
    if METRICS[metric].better == "lower":
        return f"{title} {source} minus {title} held out, so that minus means worse"
    return f"{title} held out minus {title} {source}; minus means worse"


def _pick(metric: str, quantity: str, legend: str) -> Pick:
    title = _TITLES[quantity]
    return Pick(Column(f"{METRICS[metric].title}\n{title}", legend), title, {"metric": metric})


def held_out_table(summary: Summary, notes: Sequence[str]) -> Table:
    """Return every metric at every held-out magnification, beside the in-domain value.

    Args:
        summary: All numbers.
        notes: Sentences below it.
    """
    title = "Every metric at the held-out magnification, beside the source magnifications"
    return _of_page(summary, "held_out", title, ("held-out", "in-domain"), notes)


def drop_table(summary: Summary) -> Table:
    """Return the drop at each held-out magnification.

    Args:
        summary: All numbers.
    """
    table = _of_page(summary, "drop", "The drop at each magnification", ("as a source", "drop"), ())
    return replace(table, frame=summary.table[summary.table["quantity"].isin(["as_source", "drop"])])


def _of_page(summary: Summary, name: str, title: str, values: Sequence[str], notes: Sequence[str]) -> Table:
    columns = ("held out", "method", "metric", *values, "cases b + m", "images", "runs")
    table = models_table(summary).where(study=["own"]).select(*columns)
    return replace(table, name=name, title=title, notes=list(notes))


def calibration_table(summary: Summary) -> Table:
    """Return what judges probabilities and decisions at held-out magnifications: a row for each holdout and method.

    Args:
        summary: All numbers.
    """
    frame = summary.table
    frame = frame[(frame["quantity"] == "held_out") & frame["metric"].isin(CALIBRATION)]
    table, levels = models_table(summary).where(study=["own"]), []
    picks = [
        Pick(Column(METRICS[name].title, MEANINGS[name]), "held-out", {"metric": name})
        for name in CALIBRATION
        if name in set(frame["metric"])
    ]
    for level in level_filter(frame).options:
        levels += table.where(level=[level]).wide(("held out", "method", "cases b + m"), picks).rows
    columns = [HELD_OUT, METHOD, CASES, *(pick.column for pick in picks)]
    title = "Quality of probabilities and decisions at held-out magnifications"
    rest = "Brier is reliability - resolution + uncertainty plus a remainder from differences within bins."
    about = f"{rest} {_shared_words(summary)} Threshold: {summary.threshold}."
    shown, short = [level_filter(frame)], {"level": LEVELS[:1]}
    return replace(
        table,
        name="calibration",
        title=title,
        columns=columns,
        rows=levels,
        frame=frame,
        about=about,
        filters=shown,
        short=short,
    )


def best_labels(summary: Summary) -> dict[tuple[str, str, str], set[str]]:
    """Return the labels with the best printed held-out value: (holdout, level, metric) -> labels, empty where none is.

    Rows that lack runs or rest on other splits do not compete, nor do oracles and moving statistics.

    Args:
        summary: The summary.
    """
    rows = summary.table[(summary.table["quantity"] == "held_out") & summary.table["compared"]]
    rows = rows[rows["value"].notna()].set_index("label")
    best: dict[tuple[str, str, str], set[str]] = {}
    for key, cells in rows.groupby(["holdout", "level", "metric"]):
        holdout, level, metric = map(str, key)
        printed, better = cells["value"].round(3), METRICS[metric].better
        if len(cells) > 1 and better != "neither":
            first = printed.max() if better == "higher" else printed.min()
            best[holdout, level, metric] = set(cells.index[printed == first])
    return best


def _scales(rows: pd.DataFrame) -> dict[bool, Scale]:
    """Return the scale of values, which share one, and that of drops."""
    drops = rows["quantity"] == "drop"
    return {False: Scale.of(rows[~drops]), True: Scale.around_zero(rows[drops])}


def _cell(row: dict, scales: dict[bool, Scale], strong: bool) -> Cell:
    drop = row["quantity"] == "drop"
    numbers, write = (row["value"], row["low"], row["high"]), signed_number if drop else number
    return Cell.number(*numbers, absent=absent(of_row(row)), write=write, scale=scales[drop], strong=strong)
