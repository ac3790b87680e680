"""A study as tables: which cases are misclassified, the runs themselves, and the claims that they are held against."""

from __future__ import annotations

import math

import pandas as pd

from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claims
from magsig_tf.report.tables.models import HELD_OUT, METHOD
from magsig_tf.report.tables.table import Cell, Column, Filter, Row, Scale, Table
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.record import RunRecord


def case_table(strips: pd.DataFrame) -> Table:
    """Return the share of each case's images that each method misclassifies, the worst on average first.

    Args:
        strips: `CaseStrips.frame()`.
    """
    labels = list(dict.fromkeys(strips["label"]))
    wide = strips.pivot(index=["case", "class"], columns="label", values="wrong").reindex(columns=labels)
    wide = wide.assign(mean=wide.mean(axis=1)).sort_values("mean", ascending=False, kind="stable")
    scale, rows = Scale(0.0, 1.0), []
    for (case, truth), shares in zip(wide.index, wide.to_numpy(float), strict=True):
        cells = [Cell(str(case)), Cell(str(truth))]
        cells += [Cell.number(share, absent="not tested", scale=scale) for share in shares]
        rows.append(Row(cells, (), (), {"truth": str(truth)}))
    columns = [Column("case", "", False), Column("truth", "", False)]
    columns += [*(Column(f"{label}, misclassified") for label in labels), Column("mean of methods")]
    filters = [Filter("truth", {name: name for name in sorted(set(strips["class"]))})]
    title = "Share of each case's images misclassified at held-out magnifications"
    return Table("cases", title, columns, rows, strips, filters=filters)


_EPOCH = (
    "epoch whose weights were taken, or the steps over which weights were averaged; adapted: afterwards fitted to "
    "images of training and validation cases, without their labels"
)
_LAMBDA = "strength of the gradient reversal at the chosen epoch"
_RUN_COLUMNS = [
    METHOD,
    Column("held out", "", False, of=HELD_OUT.of),
    Column("fold", "patient fold", of=lambda row: Cell.count(row["patient_fold"])),
    Column("seed", "none for an exact method", of=lambda row: Cell.count(row["seed"])),
    Column("config", "hash of the settings", False, of=lambda row: Cell(row["config"])),
    Column("split", "hash of the split", False, of=lambda row: Cell(row["split"])),
    Column("selection", "how the epoch was chosen", False, of=lambda row: Cell(row["selection"])),
    Column("chosen epoch", _EPOCH, of=lambda row: Cell(row["weights_of"], row["epoch"])),
    Column("lambda", _LAMBDA, of=lambda row: Cell.number(row["lambda"], absent="")),
    Column("seconds", of=lambda row: Cell.count(row["seconds"], "{:.0f}")),
    Column("precision", "", False, of=lambda row: Cell(row["precision"])),
    Column("versions", "", False, of=lambda row: Cell(row["versions"])),
]


def run_table(matrix: Matrix) -> Table:
    """Return one row per run: what it is, which epoch was chosen, how long it took, and the versions that made it.

    Args:
        matrix: The runs.
    """
    records = []
    for group in matrix.groups:
        for holdout, fold, seed in sorted(group.runs, key=lambda key: (matrix.holdouts.index(key[0]), *key[1:])):
            run = group.runs[holdout, fold, seed]
            place = {"holdout": holdout, "patient_fold": fold, "seed": None if group.seedless else seed}
            record = _record(group.label, run.record) | place
            record |= {"config": run.config_hash, "split": run.split_hash, "selection": run.selection}
            records.append(record | {"batch_statistics": run.batch_statistics})
    frame = pd.DataFrame(records)
    frame = frame.astype({"seed": "Int64"}) if frame["seed"].isna().any() else frame  # exact methods have none
    table = Table("runs", "The runs", _RUN_COLUMNS, [], frame)
    return table.filled(record | {"order": matrix.holdouts} for record in records)


def _record(label: str, record: RunRecord) -> dict[str, object]:
    """Return what run.json says, as far as the run has come."""
    chosen = record.chosen
    return {
        "label": label,
        "epoch": math.nan if chosen is None or chosen.epoch is None else chosen.epoch + 1,
        "weights_of": _weights_of(record),
        "lambda": math.nan if chosen is None else chosen.state.get("lambda", math.nan),
        "seconds": record.seconds if record.finished else math.nan,
        "precision": record.precision or "",
        "versions": ", ".join(f"{name} {version}" for name, version in (record.versions or {}).items()),
    }


def _weights_of(record: RunRecord) -> str:
    chosen = record.chosen
    if chosen is None:
        return ""
    window, adapted = chosen.window, ", adapted" * (record.adapted is not None)
    if window is not None:
        return f"steps {window['first_step']:,} to {window['last_step']:,}{adapted}"
    return "" if chosen.epoch is None else f"{chosen.epoch + 1}{adapted}"


def claims_page_table(claims: Claims) -> Table:
    """Return the paper's claims and their verdicts, for the files of the page."""
    other = f" ({OTHER_DATA})" if claims.of_other_data else ""
    rows = []
    for place, claim in enumerate(claims.claims, 1):
        verdict = f"{claim.finding.verdict.value}{other}"
        texts = (str(place), claim.statement, claim.stated.paper, claim.finding.ours, verdict)
        rows.append(Row([Cell(text) for text in texts]))
    columns = [Column("no."), *(Column(title, "", False) for title in ("claim", "paper", "ours", "verdict"))]
    return Table("claims", "The paper's claims, judged by these runs", columns, rows, claims.table)
