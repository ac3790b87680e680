"""Tables of what embeddings say: probes, sizes of signatures, their overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magsig_tf.report.page.blocks import (
    Cell,
    Filter,
    PageTable,
    Row,
    Scale,
    count_cell,
    method_cell,
    number_cell,
    place_cell,
)

_PROBES = {"linear": "linear", "neighbours": "k-NN", "identity": "same case", "ridge": "known factor"}
_METRICS = {"balanced_accuracy": "balanced accuracy", "mutual_information": "information (nats)"}
_METRICS |= {"top1": "found first", "r2": "R2"}


def probe_table(frame: pd.DataFrame, notes: Sequence[str]) -> PageTable:
    """Return what frozen embeddings say about magnification, case and known factors, beside chance.

    Args:
        frame: From `summarise_probes`.
        notes: Sentences below it.
    """
    rows = [_probe(row, Scale(0.0, 1.0, row["chance"])) for row in frame.to_dict("records")]
    columns = {"embedding": False, "probe": False, "of": False, "measure": False, "value": True, "chance": True}
    columns |= {"labels": False, "cases": True, "embeddings": True}
    filters = [
        Filter("rows", {name: f"{name} rows" for name in dict.fromkeys(frame["rows"])}, _first(frame["rows"])),
        Filter("probe", {name: _PROBES.get(name, name) for name in dict.fromkeys(frame["probe"])}, "linear"),
    ]
    title = "What a probe reads from frozen embeddings of test cases"
    short = [row for row in rows if row.values["rows"] == _first(frame["rows"])]
    return PageTable("probes", title, columns, rows, frame, filters, list(notes), short)


def _first(values: pd.Series) -> str:
    return str(values.iloc[0]) if len(values) else ""


def _probe(row: dict, scale: Scale) -> Row:
    information = row["metric"] == "mutual_information"
    scale = Scale(0.0, 1.5, 0.0) if information else scale
    numbers = row["value"], row["low"], row["high"]
    cells = [
        method_cell(row["subject"]) if row["kind"] == "method" else Cell(row["subject"]),
        Cell(_PROBES.get(row["probe"], row["probe"])),
        Cell(str(row["target"]).replace("_", " ")),
        Cell(_METRICS.get(row["metric"], row["metric"])),
        number_cell(*numbers, absent=str(row["reason"]), scale=scale),
        number_cell(row["chance"]),
        Cell("shuffled" if row["control"] == "shuffled" else "true"),
        count_cell(row["cases"]),
        count_cell(row["embeddings"]),
    ]
    methods = (row["subject"],) if row["kind"] == "method" else ()
    return Row(cells, methods, (), {"rows": row["rows"], "probe": row["probe"]})


def signature_table(frame: pd.DataFrame, holdouts: Sequence[str], known: Sequence[str]) -> PageTable:
    """Return one row a run: size of its signature and how well the sparse classifier does.

    Args:
        frame: Rows of `signatures.parquet`.
        holdouts: In their natural order.
        known: Labels of the methods.
    """
    rows = []
    for row in frame.to_dict("records"):
        absent = pd.isna(row["k"])
        scores = [
            number_cell(row[name], row.get(f"{name}_low", np.nan), row.get(f"{name}_high", np.nan), absent="-")
            for name in ("auc", "f1", "brier")
        ]
        cells = [
            place_cell(row["holdout"], holdouts),
            method_cell(row["label"]),
            count_cell(row["patient_fold"]),
            count_cell(row["seed"]),
            Cell("none") if absent else count_cell(row["k"]),
            count_cell(row["p"]),
            number_cell(row["share"], absent="-", scale=Scale(0.0, 1.0)),
            *scores,
            Cell(str(row["reason"] or "")),
        ]
        rows.append(Row(cells, (row["label"],) if row["label"] in known else (), (row["holdout"],)))
    columns = {"held out": False, "method": False, "fold": True, "seed": True, "size k": True, "of p": True}
    columns |= {"k / p": True, "AUC": True, "F1": True, "Brier": True, "remark": False}
    title = "Sparse signatures, one row a run, scored at the held-out magnification"
    return PageTable("signatures", title, columns, rows, frame)


def overlap_table(frame: pd.DataFrame, holdouts: Sequence[str], known: Sequence[str]) -> PageTable:
    """Return every pair of holdouts: how many dimensions their signatures share, beside chance.

    Args:
        frame: Rows of `signature_pairs.parquet`.
        holdouts: In their natural order.
        known: Labels of the methods.
    """
    scale, rows = Scale.around_zero([1.0]), []
    for row in frame.to_dict("records"):
        cells = [
            method_cell(row["label"]),
            place_cell(row["first"], holdouts),
            place_cell(row["second"], holdouts),
            count_cell(row["patient_fold"]),
            count_cell(row["seed"]),
            number_cell(row["jaccard"], absent="-"),
            number_cell(row["expected"], absent="-"),
            number_cell(row["adjusted"], absent="-", signed=True, scale=scale),
            number_cell(row["p_value"], absent=""),
            number_cell(row["cka"], absent="-"),
            Cell(str(row["reason"] or "")),
        ]
        rows.append(Row(cells, (row["label"],) if row["label"] in known else (), (row["first"], row["second"])))
    columns = {"method": False, "first": False, "second": False, "fold": True, "seed": True, "Jaccard": True}
    columns |= {"chance": True, "adjusted": True, "p against random sets": True, "CKA": True, "remark": False}
    note = "Adjusted is 0 for two random sets of the same sizes and 1 for the same set. p is not corrected."
    return PageTable(
        "signature_overlap", "Overlap of signatures, every pair of holdouts", columns, rows, frame, [], [note]
    )
