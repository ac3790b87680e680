"""Tables of what synthetic images did, who is wrong, and the runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from magsig_tf.evaluation.augmentation.frame import ALL_FOLDS, Explanation
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import RUN_IS_MISSING
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
from magsig_tf.runs.matrix import Matrix
from magsig_tf.statistics.units import LEVELS

_QUANTITIES = {
    "auc": "AUC",
    "brier": "Brier",
    "kid": "KID",
    "kid_floor": "KID, floor",
    "kid_above_floor": "KID above floor",
    "coverage": "coverage",
    "coverage_floor": "coverage, floor",
    "copied": "copied",
    "copied_floor": "copied, floor",
    "magnification_shift": "magnification shift",
    "magnification_shift_floor": "magnification shift, floor",
    "kept_share": "kept by the filter",
}


def explanation_table(explanation: Explanation, notes: Sequence[str]) -> PageTable:
    """Return the differences that synthetic images make, and the quality of their GANs.

    Args:
        explanation: The explanation.
        notes: Sentences below it.
    """
    frame, order = explanation.table, [*explanation.matrix.holdouts, POOLED]
    shown = frame[(frame["patient_fold"] == ALL_FOLDS) & frame["quantity"].isin(_QUANTITIES)]
    differences = shown[shown["reference_method"] != ""][["value", "low", "high"]].to_numpy(float).ravel()
    rows = [_explained(row, order, Scale.around_zero(differences)) for row in shown.to_dict("records")]
    rows.sort(key=lambda row: row.cells[0].sort)
    columns = {"held out": False, "method": False, "minus": False, "quantity": False, "value": True, "p": True}
    columns |= {"Holm p": True, "n": True}
    options = {"difference": "differences", "quality": "quality of the GANs"}
    levels = {level: f"{level} level" for level in LEVELS}
    filters = [Filter("what", options, "difference"), Filter("level", levels, LEVELS[0])]
    short = [row for row in rows if row.values["level"] in ("", LEVELS[0])]
    title = "What synthetic images did, and how good the GANs were"
    return PageTable("explanation", title, columns, rows, frame, filters, list(notes), short)


def _explained(row: dict, order: Sequence[str], scale: Scale) -> Row:
    quality = row["reference_method"] == ""
    told = bool(row["low"] > 0 or row["high"] < 0)
    absent = "not run" if row["reason_code"] in RUN_IS_MISSING else str(row["words"]) or "-"
    value = number_cell(
        row["value"], row["low"], row["high"], absent=absent, signed=not quality, scale=None if quality else scale
    )
    cells = [
        place_cell(row["holdout"], order),
        method_cell(row["label"] if quality else row["compared"]),
        Cell("") if quality else method_cell(row["reference"]),
        Cell(_QUANTITIES[row["quantity"]]),
        Cell(value.text, value.sort, value.detail, value.bar, told),
        p_cell(row["p"]),
        p_cell(row["holm_p"]),
        count_cell(row["n"]),
    ]
    values = {"what": "quality" if quality else "difference", "level": row["level"]}
    return Row(cells, (row["label"],), (row["holdout"],), values)


def case_table(strips: pd.DataFrame) -> PageTable:
    """Return the share of each case's images that each method gets wrong, the worst on average first.

    Args:
        strips: `CaseStrips.frame()`.
    """
    labels = list(dict.fromkeys(strips["label"]))
    wide = strips.pivot(index=["case", "class"], columns="label", values="wrong").reindex(columns=labels)
    wide = wide.assign(mean=wide.mean(axis=1)).sort_values("mean", ascending=False, kind="stable")
    scale, rows = Scale(0.0, 1.0), []
    for (case, truth), shares in zip(wide.index, wide.to_numpy(float), strict=True):
        cells = [Cell(str(case)), Cell(str(truth))]
        cells += [number_cell(share, absent="not tested", scale=scale) for share in shares]
        rows.append(Row(cells, (), (), {"truth": str(truth)}))
    columns = (
        {"case": False, "truth": False} | {f"{label}, wrong": True for label in labels} | {"mean of methods": True}
    )
    filters = [Filter("truth", {name: name for name in sorted(set(strips["class"]))})]
    title = "Share of each case's images decided wrongly at held-out magnifications"
    return PageTable("cases", title, columns, rows, strips, filters)


def run_table(matrix: Matrix) -> PageTable:
    """Return one row a run: what it is, which epoch was chosen, how long it took, and the versions that made it.

    Args:
        matrix: The runs.
    """
    records, rows = [], []
    for group in matrix.groups:
        for holdout, fold, seed in sorted(group.runs, key=lambda key: (matrix.holdouts.index(key[0]), *key[1:])):
            run = group.runs[holdout, fold, seed]
            record = _record(group.label, run.info) | {"holdout": holdout, "patient_fold": fold, "seed": seed}
            record |= {"config": run.config_hash, "split": run.split_hash, "selection": run.selection}
            record |= {"batch_statistics": run.batch_statistics}
            records.append(record)
            cells = [
                method_cell(group.label),
                place_cell(holdout, matrix.holdouts),
                count_cell(fold),
                count_cell(seed),
                Cell(run.config_hash),
                Cell(run.split_hash),
                Cell(run.selection),
                count_cell(record["epoch"]),
                number_cell(record["lambda"], absent=""),
                Cell(f"{record['seconds']:.0f}", record["seconds"]) if pd.notna(record["seconds"]) else Cell(""),
                Cell(record["precision"]),
                Cell(record["versions"]),
            ]
            rows.append(Row(cells, (group.label,), (holdout,)))
    columns = {"method": False, "held out": False, "fold": True, "seed": True, "config": False, "split": False}
    columns |= {"selection": False, "chosen epoch": True, "lambda there": True, "seconds": True, "precision": False}
    columns |= {"versions": False}
    return PageTable("runs", "The runs", columns, rows, pd.DataFrame(records))


def _record(label: str, info: dict) -> dict[str, object]:
    """Return what run.json says, as far as it can be read."""
    chosen = info.get("chosen") if isinstance(info.get("chosen"), dict) else {}
    state = chosen.get("state") if isinstance(chosen.get("state"), dict) else {}
    versions = info.get("versions") if isinstance(info.get("versions"), dict) else {}
    epoch = _number(chosen.get("epoch"))
    return {
        "label": label,
        "epoch": epoch + 1,
        "lambda": _number(state.get("lambda")),
        "seconds": _number(info.get("seconds")),
        "precision": str(info.get("precision", "")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
