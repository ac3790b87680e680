"""Tables of what the models themselves say: numbers, drops, paired differences, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magsig_tf.evaluation import METRICS, Summary
from magsig_tf.evaluation.comparison.frame import Comparison, with_holm
from magsig_tf.evaluation.comparison.notes import comparison_notes
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import NOT_IN_STUDY, of_row
from magsig_tf.report.page.blocks import (
    Cell,
    Filter,
    PageTable,
    Row,
    Scale,
    count_cell,
    method_cell,
    number_cell,
    p_cell,
    place_cell,
)
from magsig_tf.report.terminal.summary import SHOWN, best_labels
from magsig_tf.report.words import absent
from magsig_tf.statistics.units import LEVELS

CALIBRATION = ("brier", "log_loss", "ece", "ece_equal_width", "brier_reliability", "brier_resolution")
_KEYS = ["label", "holdout", "level", "metric"]
_COUNTS = ["cases_benign", "cases_malignant", "images", "runs"]


def filters_for(frame: pd.DataFrame, metric: str) -> list[Filter]:
    """Return the choices of level and metric above a table of a tidy frame.

    Args:
        frame: With the columns level and metric.
        metric: The metric that is shown at first.
    """
    metrics = {name: METRICS[name].title for name in METRICS if name in set(frame["metric"])}
    return [
        Filter("level", {level: f"{level} level" for level in LEVELS if level in set(frame["level"])}, LEVELS[0]),
        Filter("metric", metrics, metric if metric in metrics else ""),
    ]


def held_out_table(summary: Summary, notes: Sequence[str]) -> PageTable:
    """Return every metric at every held-out magnification, beside the in-domain value.

    Args:
        summary: All numbers.
        notes: Sentences below it.
    """
    frame = summary.table
    rows = _rows(summary, frame, ("held_out", "in_domain"), signed=())
    columns = {"held out": False, "method": False, "metric": False, "held-out": True, "in-domain": True}
    columns |= {"cases b + m": False, "images": True, "runs": True}
    return PageTable(
        "held_out",
        "Every metric at the magnification that was never seen, beside the source magnifications",
        columns,
        rows,
        frame,
        filters_for(frame, "auc"),
        list(notes),
        _short(rows),
    )


def drop_table(summary: Summary) -> PageTable:
    """Return what it costs that a magnification was not seen.

    Args:
        summary: All numbers.
    """
    frame = summary.table[summary.table["quantity"].isin(["as_source", "drop"])]
    rows = _rows(summary, frame, ("as_source", "drop"), signed=("drop",))
    columns = {"held out": False, "method": False, "metric": False, "as a source": True, "held out minus source": True}
    columns |= {"cases b + m": False, "images": True, "runs": True}
    note = (
        "Held out minus the same images in models that had their magnification as a source. Below 0 is a loss where "
        "higher is better (AUC, F1), above 0 where lower is better (Brier, ECE)."
    )
    return PageTable(
        "drop", "The drop at each magnification", columns, rows, frame, filters_for(frame, "auc"), [note], _short(rows)
    )


def calibration_table(summary: Summary) -> PageTable:
    """Return the metrics that judge probabilities, at held-out magnifications.

    Args:
        summary: All numbers.
    """
    frame = summary.table
    frame = frame[(frame["quantity"] == "held_out") & frame["metric"].isin(CALIBRATION)]
    rows = _rows(summary, frame, ("held_out",), signed=())
    columns = {"held out": False, "method": False, "metric": False, "held-out": True}
    columns |= {"cases b + m": False, "images": True, "runs": True}
    filters = filters_for(frame, "ece")
    title = "How good the probabilities are at held-out magnifications"
    note = "Lower is better, but for resolution, where higher is better. ECE: 15 bins of equally many images."
    return PageTable("calibration", title, columns, rows, frame, filters, [note], _short(rows))


def _rows(summary: Summary, frame: pd.DataFrame, quantities: Sequence[str], signed: Sequence[str]) -> list[Row]:
    order, labels = [*summary.matrix.holdouts, POOLED], [group.label for group in summary.matrix.groups]
    frame = frame[frame["quantity"].isin(quantities)]
    scales = {metric: _scales(rows, quantities, signed) for metric, rows in frame.groupby("metric")}
    # looked up by the thousand: a dictionary is twenty times as quick as an index
    cells_of = {tuple(row[name] for name in (*_KEYS, "quantity")): row for row in frame.to_dict("records")}
    best, found = best_labels(summary), []
    for keys in dict.fromkeys(key[:-1] for key in cells_of):
        label, holdout, level, metric = keys
        first = cells_of[*keys, quantities[0]]
        if first["reason_code"] == NOT_IN_STUDY:
            continue
        cells = [place_cell(holdout, order), method_cell(label), Cell(METRICS[metric].title)]
        for quantity in quantities:
            strong = quantity == "held_out" and label in best.get((holdout, level, metric), ())
            cells.append(_value(cells_of[*keys, quantity], quantity in signed, scales[metric][quantity], strong))
        counts = f"{first['cases_benign']} + {first['cases_malignant']}" if first["runs"] else ""
        cells += [Cell(counts), count_cell(first["images"]), count_cell(first["runs"])]
        found.append(Row(cells, (label,), (holdout,), {"level": level, "metric": metric}))
    return sorted(found, key=lambda row: (row.cells[0].sort, labels.index(row.methods[0])))


def _scales(rows: pd.DataFrame, quantities: Sequence[str], signed: Sequence[str]) -> dict[str, Scale]:
    """Return the scale of each column; values share one, differences have one of their own."""
    quantity = rows["quantity"]
    plain = rows[~quantity.isin(list(signed))]
    common = Scale.of(plain[["value", "low", "high"]].to_numpy(float).ravel())
    differences = rows[quantity.isin(list(signed))][["value", "low", "high"]].to_numpy(float).ravel()
    return {name: Scale.around_zero(differences) if name in signed else common for name in quantities}


def _value(row: dict, signed: bool, scale: Scale, strong: bool = False) -> Cell:
    numbers = row["value"], row["low"], row["high"]
    return number_cell(*numbers, absent=absent(of_row(row)), signed=signed, scale=scale, strong=strong)


def _short(rows: Sequence[Row]) -> list[Row]:
    """Return the rows for print: image level, the usual metrics."""
    return [row for row in rows if row.values["level"] == LEVELS[0] and row.values["metric"] in SHOWN]


def comparison_table(comparisons: Sequence[Comparison], holdouts: Sequence[str]) -> PageTable | None:
    """Return the paired differences of all methods to the reference; None where nothing was compared.

    Args:
        comparisons: Those of each method.
        holdouts: In their natural order.
    """
    if not comparisons:
        return None
    # one family of tests for all methods that are shown together
    frame = with_holm(pd.concat([each.table for each in comparisons], ignore_index=True))
    order = [*holdouts, POOLED]
    scales = {
        metric: Scale.around_zero(rows[["value", "low", "high"]].to_numpy(float).ravel())
        for metric, rows in frame.groupby("metric")
    }
    rows = [_difference(row, order, scales[row["metric"]]) for row in frame.to_dict("records")]
    rows.sort(key=lambda row: row.cells[0].sort)
    columns = {"held out": False, "method": False, "minus": False, "metric": False, "difference": True, "p": True}
    columns |= {"Holm p": True, "cases b + m": False, "pairs of runs": True}
    notes = dict.fromkeys(note for each in comparisons for note in comparison_notes(each, SHOWN))
    legend = (
        f"{comparisons[0].level:.0%} intervals, {comparisons[0].replicates:,} bootstraps over cases, both methods on "
        "the same draws. Holm's p counts all methods and holdouts of one metric and level that are shown here, pooled "
        "ones apart; `magsig evaluate --compare` counts those of one pair of methods."
    )
    title = "Paired differences: method minus reference on the same cases"
    filters = filters_for(frame, "auc")
    return PageTable("comparison", title, columns, rows, frame, filters, [legend, *notes], _short(rows))


def _difference(row: dict, order: Sequence[str], scale: Scale) -> Row:
    strong = bool(np.isfinite(row["holm_p"]) and row["holm_p"] < 0.05)
    numbers = row["value"], row["low"], row["high"]
    cells = [
        place_cell(row["holdout"], order),
        method_cell(row["label"]),
        method_cell(row["reference_label"]),
        Cell(METRICS[row["metric"]].title),
        number_cell(*numbers, absent=absent(of_row(row)), signed=True, scale=scale, strong=strong),
        p_cell(row["p"]),
        p_cell(row["holm_p"]),
        Cell(f"{row['cases_benign']} + {row['cases_malignant']}" if row["pairs"] else ""),
        count_cell(row["pairs"]),
    ]
    methods = (row["label"], row["reference_label"])
    return Row(cells, methods, (row["holdout"],), {"level": row["level"], "metric": row["metric"]})
