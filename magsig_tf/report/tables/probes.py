"""What probes predict from frozen embeddings, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from magsig_tf.reasons import of_row
from magsig_tf.report.tables.table import Cell, Column, Filter, Pick, Scale, Table
from magsig_tf.report.words import in_a_cell

_PROBES = {"linear": "linear", "neighbours": "k-NN", "identity": "same case", "ridge": "known factor"}
_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "mutual_information": "information (nats)",
    "top1": "top-1 accuracy",
    "r2": "R2",
}
_FACTORS = {
    "pleomorphism": "pleo-\nmorphism",
    "irregularity": "irregu-\nlarity",
    "nuclear_fraction": "nuclear\nfraction",
    "log_pixel_size": "pixel\nsize",
}
_NEAREST = "linear, or the nearest neighbours"
_SAME = "share whose nearest image is of the same case"
_CHANCE = "what guessing reaches"
_INFORMATION = "information is a lower bound on the information on the magnification in the embedding"
_SHUFFLED = "shuffled labels must be at chance"
_LEGENDS = {
    "rows": "source: images at source magnifications; all: also those at the held-out magnification",
    "bal. acc.": "balanced accuracy of the predicted magnification",
    "shuffled": "the same with shuffled labels, which must be at chance",
    "MI, nats": "mutual information of embedding and magnification, a lower bound, 0 is chance",
}
_COLUMNS = [
    Column("rows", _LEGENDS["rows"], False, True, once=True, of=lambda row: Cell(row["rows"])),
    Column("embedding", "", False, True, width=16, of=lambda row: Cell.of_method(row["subject"])),
    Column("probe", _NEAREST, False, of=lambda row: Cell(_PROBES.get(row["probe"], row["probe"]))),
    Column("of", "what the probe predicts", False, of=lambda row: Cell(str(row["target"]).replace("_", " "))),
    Column("measure", _INFORMATION, False, of=lambda row: Cell(_METRICS.get(row["metric"], row["metric"]))),
    Column("value", of=lambda row: _value(row)),
    Column("chance", _CHANCE, of=lambda row: Cell.number(row["chance"], absent="-")),
    Column("labels", _SHUFFLED, False, of=lambda row: Cell("shuffled" if row["control"] == "shuffled" else "true")),
    Column("cases", "scored test cases", of=lambda row: Cell.count(row["cases"])),
    Column("embeddings", "files that the number rests on", of=lambda row: Cell.count(row["embeddings"])),
]


def probe_table(frame: pd.DataFrame, notes: Sequence[str]) -> Table:
    """Return what frozen embeddings reveal about magnification, case and known factors, beside chance.

    Args:
        frame: From `summarise_probes`.
        notes: Sentences below it.
    """
    named = frame.assign(method=frame["subject"].where(frame["kind"] == "method", ""))
    scopes = list(dict.fromkeys(frame["rows"]))
    filters = [
        Filter("rows", {name: f"{name} rows" for name in scopes}, scopes[0] if scopes else ""),
        Filter("probe", {name: _PROBES.get(name, name) for name in dict.fromkeys(frame["probe"])}, "linear"),
    ]
    replicates = f"{int(frame['replicates'].iloc[0]):,} " if "replicates" in frame and len(frame) else ""
    about = (
        f"Interval of each value: 95%, {replicates}bootstraps over cases. Out-of-fold, 5 folds of cases. "
        "R2: share of a factor's variance that is explained, 0 is chance."
    )
    title, short = "Probes on frozen embeddings of test cases", {"rows": scopes[:1]}
    table = Table("probes", title, _COLUMNS, [], frame, about, filters, list(notes), short)
    values = ("rows", "probe", "target", "metric", "control")
    return table.filled(named.to_dict("records"), methods=("method",), holdouts=(), values=values)


def probe_tables(frame: pd.DataFrame, title: str, notes: Sequence[str]) -> list[Table]:
    """Return two tables for a terminal: the magnification probes; the search for the same case and the known factors.

    Args:
        frame: From `summarise_probes`.
        title: What was probed.
        notes: Sentences below them.
    """
    table, scopes = probe_table(frame, notes), list(dict.fromkeys(frame["rows"]))
    rows = sorted(table.rows, key=lambda row: scopes.index(row.values["rows"]))
    table = replace(table, rows=rows, title=title, ruled=True)
    told = [
        _pick(f"{probe}\n{word}", name, "magnification", metric, control, _LEGENDS[word] if probe == "linear" else "")
        for name, probe in (("linear", "linear"), ("neighbours", "k-NN"))
        for word, metric, control in (
            ("bal. acc.", "balanced_accuracy", "none"),
            ("shuffled", "balanced_accuracy", "shuffled"),
            ("MI, nats", "mutual_information", "none"),
        )
    ]
    chance = Column("chance", _CHANCE)
    told.append(replace(told[0], column=chance, source="chance"))
    same = _pick("same case\ntop-1", "identity", "case", "top1", "none", _SAME)
    factors = dict.fromkeys(frame.loc[frame["probe"] == "ridge", "target"])
    known = [_pick(f"R2\n{_FACTORS.get(name, name)}", "ridge", name, "r2", "none", "") for name in factors]
    keys = ("rows", "embedding")
    return [
        replace(table.wide(keys, told), notes=[]),
        replace(table.wide(keys, [same, replace(same, column=chance, source="chance"), *known]), title="", about=""),
    ]


def _pick(title: str, probe: str, target: str, metric: str, control: str, legend: str) -> Pick:
    where = {"probe": probe, "target": target, "metric": metric, "control": control}
    # the shuffled control is read beside chance; its interval is in the file
    return Pick(Column(title, legend), "value", where, plain=control != "none")


def _value(row: dict) -> Cell:
    scale = Scale(0.0, 1.5, 0.0) if row["metric"] == "mutual_information" else Scale(0.0, 1.0, row["chance"])
    numbers, kind = (row["value"], row["low"], row["high"]), str(row.get("interval", ""))
    return Cell.number(*numbers, absent=in_a_cell(of_row(row)), scale=scale, kind=kind)
