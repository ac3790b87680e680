"""Methods in numbers: every one at every holdout, and its paired difference to another, for terminal and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from magsig_tf.evaluation import METRICS, Summary
from magsig_tf.evaluation.comparison import Comparison, comparison_notes, with_holm
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import NOT_IN_STUDY, of_row
from magsig_tf.report.tables.table import CLEAR, Cell, Column, Filter, Pick, Scale, Table, signed_number
from magsig_tf.report.words import MEANINGS, absent, meanings
from magsig_tf.statistics.replicates import LEVELS

SHOWN = ("auc", "f1", "brier", "ece")
"""Metrics of the terminal, if none are asked for."""
PRINTED = ("auc", "f1", "sensitivity", "specificity", "brier", "ece")
"""Metrics of the LaTeX files."""
_SHORT = {"level": LEVELS[:1], "metric": PRINTED}
CALIBRATION = (
    *("brier", "brier_reliability", "brier_resolution", "brier_uncertainty", "log_loss"),
    *("ece", "ece_raw", "ece_equal_width", "ece_equal_width_raw"),
    *("sensitivity", "specificity"),
)

METHOD = Column("method", "", False, True, width=18, of=lambda row: Cell.of_method(row["label"]))
_LEFT_OUT = "the magnification left out of training and tested on"
HELD_OUT = Column("held\nout", _LEFT_OUT, False, True, True, of=lambda row: Cell.place(row["holdout"], row["order"]))
_METRIC = Column("metric", "", False, True, of=lambda row: Cell(METRICS[row["metric"]].title))
_CASES = Column("cases\nb + m", "benign and malignant test cases", key=True, of=lambda row: _cases(row, "runs"))
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
_KEYS = ("held out", "method", "cases b + m")
_MODELS = [
    HELD_OUT,
    METHOD,
    _METRIC,
    _CASES,
    *(Column(title, _WORDS[name], of=itemgetter(name)) for name, title in _TITLES.items()),
    Column("images", "distinct test images", of=lambda row: Cell.count(row["images"])),
    Column("runs", "finished runs behind the held-out value", of=lambda row: Cell.count(row["runs"])),
]


def level_filter(frame: pd.DataFrame) -> Filter:
    """Return the choice of level above a table of a tidy frame."""
    return Filter("level", {level: f"{level} level" for level in LEVELS if level in set(frame["level"])}, LEVELS[0])


def _level_and_metric(frame: pd.DataFrame) -> list[Filter]:
    """Return the choices of level and metric above a table of a tidy frame, AUC at first."""
    metrics = {name: METRICS[name].title for name in METRICS if name in set(frame["metric"])}
    return [level_filter(frame), Filter("metric", metrics, "auc" if "auc" in metrics else "")]


def interval_words(level: float, replicates: int, more: str = "") -> str:
    """Say what interval each value has."""
    return f"Interval of each value: {level:.0%}, {replicates:,} bootstraps over cases{more}."


def _threshold_words(threshold: float | str, metrics: Iterable[str]) -> str:
    return f" Threshold: {threshold}." if any(METRICS[name].threshold for name in metrics) else ""


def _cases(row: dict, behind: str) -> Cell:
    """Return the benign and malignant test cases behind a number; empty where no run or pair is behind it."""
    return Cell(f"{row['cases_benign']} + {row['cases_malignant']}" if row[behind] else "")


def models_table(summary: Summary) -> Table:
    """Return every metric at every held-out magnification, as each quantity.

    Args:
        summary: All numbers.
    """
    frame, best, labels = summary.table, best_labels(summary), [group.label for group in summary.matrix.groups]
    scales = {metric: _scales(rows) for metric, rows in frame.groupby("metric")}
    records: list[dict] = []
    for key, found in groupby(frame.to_dict("records"), itemgetter("holdout", "level", "metric", "label")):
        row_of = {row["quantity"]: row for row in found}
        first = row_of["held_out"]
        cells = {
            name: _cell(row_of[name], scales[first["metric"]], name == "held_out" and key[-1] in best.get(key[:3], ()))
            for name in _TITLES
        }
        study = "other" if first["reason_code"] == NOT_IN_STUDY else "own"
        records.append(first | cells | {"study": study})
    records.sort(key=lambda row: labels.index(row["label"]))
    about = f"{meanings(frame['metric'].unique())} {_shared_words(summary)} Threshold: {summary.threshold}."
    table = Table("models", "", _MODELS, [], frame, about, _level_and_metric(frame), short=_SHORT)
    return table.filled(records, [*summary.matrix.holdouts, POOLED], values=("level", "metric", "study"))


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
    wide = _beside_raw(models_table(summary).where(level=[level]).wide(_KEYS, picks), picks, summary, level)
    title = f"{summary.dataset}: tested at the held-out magnification ({level} level)"
    about = f"{meanings(metrics)} {_shared_words(summary)}{_threshold_words(summary.threshold, metrics)}"
    return replace(wide, title=title, about=about, ruled=True)


def _beside_raw(table: Table, picks: Sequence[Pick], summary: Summary, level: str) -> Table:
    """Put what was measured below each held-out value that is corrected."""
    frame = summary.table[(summary.table["level"] == level) & (summary.table["quantity"] == "held_out")]
    raw = frame.set_index(["metric", "label", "holdout"])["value"].dropna()
    for place, pick in enumerate(picks, len(_KEYS)):
        for row in table.rows if pick.source == _TITLES["held_out"] else ():
            key = f"{pick.where['metric']}_raw", *row.methods, *row.holdouts
            if key in raw.index:
                words, cell = f"raw {number(raw[key])}", row.cells[place]
                row.cells[place] = replace(cell, sides=words) if cell.ends else replace(cell, below=words)
    return table


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
    return _of_page(summary, "held_out", title, "held-out", "in-domain", notes=list(notes))


def drop_table(summary: Summary) -> Table:
    """Return the drop at each held-out magnification.

    Args:
        summary: All numbers.
    """
    frame = summary.table[summary.table["quantity"].isin(["as_source", "drop"])]
    return _of_page(summary, "drop", "The drop at each magnification", "as a source", "drop", frame=frame)


def _of_page(summary: Summary, name: str, title: str, *values: str, **more: Any) -> Table:
    columns = ("held out", "method", "metric", *values, "cases b + m", "images", "runs")
    return replace(models_table(summary).where(study=["own"]).select(*columns), name=name, title=title, **more)


def calibration_table(summary: Summary) -> Table:
    """Return what judges probabilities and decisions at held-out magnifications: a row for each holdout and method.

    Args:
        summary: All numbers.
    """
    frame = summary.table
    frame = frame[(frame["quantity"] == "held_out") & frame["metric"].isin(CALIBRATION)]
    names = [name for name in CALIBRATION if name in set(frame["metric"])]
    picks = [Pick(Column(METRICS[name].title, MEANINGS[name]), "held-out", {"metric": name}) for name in names]
    table, level = models_table(summary).where(study=["own"]), level_filter(frame)
    parts = [table.where(level=[name]).wide(_KEYS, picks) for name in level.options]
    rest = "Brier is reliability - resolution + uncertainty plus a remainder from differences within bins."
    return replace(
        table.wide(_KEYS, picks),
        name="calibration",
        title="Quality of probabilities and decisions at held-out magnifications",
        rows=[row for part in parts for row in part.rows],
        frame=frame,
        about=f"{rest} {_shared_words(summary)} Threshold: {summary.threshold}.",
        filters=[level],
        short={"level": LEVELS[:1]},
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
    about: dict[str, Any] = {"absent": absent(of_row(row)), "scale": scales[drop], "kind": row["interval"]}
    return Cell.number(*numbers, write=write, strong=strong, **about)


_P = "probability of a difference at least this large by chance"
_HOLM = f"p corrected for the number of tests, bold below {CLEAR}"
_SUBTRACTED = "method minus reference on the same cases and bootstrap draws"
_DIFFERENCES = [
    HELD_OUT,
    METHOD,
    Column("minus", "the method that is subtracted", False, of=lambda row: Cell.of_method(row["reference_label"])),
    _METRIC,
    Column("difference", _SUBTRACTED, of=lambda row: _difference(row)),
    Column("p", _P, of=lambda row: Cell.p_value(row["p"])),
    Column("Holm p", _HOLM, of=lambda row: Cell.p_value(row["holm_p"], decides=True)),
    replace(_CASES, once=True, of=lambda row: _cases(row, "pairs")),
    Column("pairs of runs", "same holdout, split, patient fold and seed", of=lambda row: Cell.count(row["pairs"])),
]


def differences_table(frame: pd.DataFrame, holdouts: Sequence[str], about: str) -> Table:
    """Return the differences of some comparisons, one row for each holdout, pair, metric and level.

    Args:
        frame: Joined frames of comparisons.
        holdouts: In their natural order.
        about: What holds for all cells.
    """
    scales = {metric: Scale.around_zero(rows) for metric, rows in frame.groupby("metric")}
    records = frame.assign(scale=frame["metric"].map(scales)).to_dict("records")
    title = "Paired differences: method minus reference on the same cases"
    table = Table("comparison", title, _DIFFERENCES, [], frame, about, _level_and_metric(frame), short=_SHORT)
    return table.filled(records, [*holdouts, POOLED], ("label", "reference_label"), values=("level", "metric"))


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
    about = (
        f"{meanings(metrics)} "
        f"{interval_words(comparison.level, comparison.replicates, ', both methods on the same draws')} Holm p counts "
        f"up to {table['tests'].max()} tests of one metric at one level, pooled ones apart.{_worse(metrics)}"
        f"{_threshold_words(comparison.threshold, metrics)}"
    )
    legends = {"difference": "first method minus second", "p": _P, "Holm p": _HOLM}
    picks = []
    for level in LEVELS:
        for name, legend in legends.items():
            title = f"{level} level\ndifference" if name == "difference" else name
            picks.append(Pick(Column(title, legend if level == LEVELS[0] else ""), name, {"level": level}))
    tables = []
    for pair in comparison.pairs:
        label, other = pair.first.label, pair.reference.label
        rows = table[(table["label"] == label) & (table["reference_label"] == other)]
        wide = differences_table(rows, list(dict.fromkeys(rows["holdout"])), about)
        wide = wide.wide(("held out", "metric", "cases b + m"), picks)
        of = "" if pair.first.dataset else f"{comparison.dataset}: "
        title = f"{of}{label} minus {other} at the held-out magnification"
        tables.append(replace(wide, title=title, ruled=True))
    return tables


def _worse(metrics: Iterable[str]) -> str:
    worse = [METRICS[name].title for name in metrics if METRICS[name].better == "lower"]
    return f" Above 0 is worse for {', '.join(worse)}." if worse else ""


def _difference(row: dict) -> Cell:
    numbers, strong = (row["value"], row["low"], row["high"]), bool(row["holm_p"] < CLEAR)
    return Cell.number(*numbers, absent=absent(of_row(row)), write=signed_number, scale=row["scale"], strong=strong)
