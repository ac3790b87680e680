"""Effect of synthetic images, and quality of their GANs, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from magsig_tf.evaluation.augmentation.differences import ALL_FOLDS, RESAMPLED
from magsig_tf.evaluation.augmentation.explanation import Explanation
from magsig_tf.evaluation.printed import number, significant
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import of_texts
from magsig_tf.report.tables.models import HELD_OUT, METHOD, interval_words
from magsig_tf.report.tables.table import Cell, Column, Filter, Pick, Row, Scale, Table, signed_number
from magsig_tf.report.words import in_a_cell
from magsig_tf.statistics.replicates import LEVELS

_QUANTITIES = {
    "auc": Column("AUC", "a difference, below 0 is worse"),
    "brier": Column("Brier", "a difference, above 0 is worse"),
    "kid": Column("KID", "kernel inception distance of synthetic to real images, lower is better"),
    "coverage": Column("cover-\nage", "the share of real images with a synthetic one nearby"),
    "copied": Column("copied", "the share of synthetic images that repeat a training image"),
    "magnification_shift": Column("mag.\nshift", "shift of their mix of magnifications, lower is better"),
    "label_agreement": Column("label", "the share classified as its own label"),
    "kept_share": Column("kept", "the share that the filter kept"),
}
_MORE = {"kid_above_floor": Column("KID above floor", "the share of the GANs whose interval of KID lies above it")}
_NAMED = "; ".join(f"{column.name} is {column.legend}" for column in (*_QUANTITIES.values(), *_MORE.values()))
_MINUS = (
    "resampled is the method baseline-resampled, whose difference to baseline is the effect of resizing real images"
)


def explanation_table(explanation: Explanation, notes: Sequence[str]) -> Table:
    """Return the differences that synthetic images make, and the quality of their GANs, one row per quantity.

    Args:
        explanation: The explanation.
        notes: Sentences below it.
    """
    frame, order = explanation.table, [*explanation.matrix.holdouts, POOLED]
    whole = frame[frame["patient_fold"] == ALL_FOLDS]
    floors = whole[whole["quantity"].str.endswith("_floor")].set_index(["label", "holdout", "quantity"])["value"]
    shown = whole[whole["quantity"].isin([*_QUANTITIES, *_MORE])]
    scale = Scale.around_zero(shown[shown["reference_method"] != ""])
    rows = []
    for row in shown.to_dict("records"):
        floor = floors.get((row["label"], row["holdout"], f"{row['quantity']}_floor"), float("nan"))
        rows.append(_row(row, order, scale, floor))
    rows.sort(key=lambda row: row.cells[0].value or 0.0)
    columns = [
        HELD_OUT,
        replace(METHOD, once=True, width=10),
        Column("minus", _MINUS, False, True),
        Column("reference", "", False),
    ]
    columns += [Column("quantity", _NAMED, False), Column("value", "a difference, or a mean over the GANs")]
    columns += [
        Column("p"),
        Column("Holm p", "corrected for the number of tests"),
        Column("n", "pairs of runs, or GANs"),
    ]
    options = {"difference": "differences", "quality": "quality of the GANs"}
    levels = {level: f"{level} level" for level in LEVELS}
    filters = [Filter("what", options, "difference"), Filter("level", levels, LEVELS[0])]
    about = (
        f"{interval_words(explanation.level, explanation.replicates)} Floor of each measure of the GANs, below it: "
        "real images of other patients."
    )
    title = "Effect of synthetic images, and quality of the GANs"
    short = {"level": ("", LEVELS[0])}
    return Table("explanation", title, columns, rows, frame, about, filters, list(notes), short)


def explanation_of_level(explanation: Explanation, level: str, notes: Sequence[str]) -> Table:
    """Return one level for a terminal: three differences a section, the quality of the GANs beside the first.

    Args:
        explanation: The explanation.
        level: "image" or "case".
        notes: Sentences below it.
    """
    table = explanation_table(explanation, notes).where(level=("", level))
    # a group without a run at a holdout has a sentence below the table
    ran = {(row.holdouts, row.methods) for row in table.rows if row.values["level"] and (row.cells[-1].value or 0) > 0}
    rows = [_beside_the_first(row) for row in table.rows if (row.holdouts, row.methods) in ran]
    picks = [Pick(column, "value", {"quantity": name}) for name, column in _QUANTITIES.items()]
    wide = replace(table, rows=rows).wide(("held out", "method", "minus"), picks)
    title = f"{explanation.dataset}: effect of synthetic images, and quality of the GANs ({level} level)"
    return replace(wide, title=title, ruled=True)


def _beside_the_first(row: Row) -> Row:
    minus = row.cells[2] if row.cells[2].text else Cell("baseline")
    return replace(row, cells=[*row.cells[:2], minus, *row.cells[3:]])


def _row(row: dict, order: Sequence[str], scale: Scale, floor: float) -> Row:
    quality = row["reference_method"] == ""
    minus = "" if quality else row["reference_method"].replace(RESAMPLED, "resampled")
    if not quality and row["compared"] != row["label"]:
        minus = "resampled\n- baseline"
    value = _measure(row, floor) if quality else _difference(row, scale)
    cells = [
        Cell.place(row["holdout"], order),
        Cell.of_method(row["label"]),
        Cell(minus),
        Cell() if quality else Cell.of_method(row["reference"]),
        Cell({**_QUANTITIES, **_MORE}[row["quantity"]].name),
        value,
        Cell.p_value(row["p"]),
        Cell.p_value(row["holm_p"], decides=True),
        Cell.count(row["n"]),
    ]
    values = {"what": "quality" if quality else "difference", "level": row["level"], "quantity": row["quantity"]}
    return Row(cells, (row["label"],), (row["holdout"],), values)


def _difference(row: dict, scale: Scale) -> Cell:
    told = bool(row["low"] > 0 or row["high"] < 0)
    absent = "not defined" if row["n"] else "not run"
    numbers = row["value"], row["low"], row["high"]
    return Cell.number(*numbers, absent=absent, write=signed_number, scale=scale, strong=told)


def _measure(row: dict, floor: float) -> Cell:
    write = significant if row["quantity"] == "kid" else number
    absent = in_a_cell(of_texts(row["reason_code"], row["words"]))
    return Cell.number(row["value"], absent=absent, write=write, below="" if np.isnan(floor) else write(floor))
