"""The probes as tables in the terminal: at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.printed import number
from magsig_tf.reasons import of_row
from magsig_tf.report.words import in_a_cell

_TITLES = {
    "pleomorphism": "pleo-\nmorphism",
    "irregularity": "irregu-\nlarity",
    "nuclear_fraction": "nuclear\nfraction",
    "log_pixel_size": "pixel\nsize",
}
_LONGEST_SUBJECT = 20


@dataclass(frozen=True)
class _Column:
    title: str
    probe: str
    target: str
    metric: str
    control: str = "none"
    field: str = "value"


def probe_tables(table: pd.DataFrame) -> list[Table]:
    """Draw the magnification probes, and below them the search for the same case and the known factors.

    Args:
        table: From `summarise_probes`.

    Returns:
        Two tables with a section for each scope of rows: methods first, controls after them; below each value its
        interval.
    """
    told = [
        _Column(f"{title}\n{word}", probe, "magnification", metric, control)
        for probe, title in (("linear", "linear"), ("neighbours", "k-NN"))
        for word, metric, control in (
            ("bal. acc.", "balanced_accuracy", "none"),
            ("shuffled", "balanced_accuracy", "shuffled"),
            ("MI, nats", "mutual_information", "none"),
        )
    ]
    told.append(_Column("\nchance", "linear", "magnification", "balanced_accuracy", field="chance"))
    known = [
        _Column("same case\ntop-1", "identity", "case", "top1"),
        _Column("\nchance", "identity", "case", "top1", field="chance"),
    ]
    factors = list(dict.fromkeys(table.loc[table["probe"] == "ridge", "target"]))
    known += [_Column(f"R2\n{_TITLES.get(name, name)}", "ridge", name, "r2") for name in factors]
    return [_table(table, told), _table(table, known)]


def print_probes(table: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print the tables with a title above and notes below.

    Args:
        table: From `summarise_probes`.
        title: What was probed.
        notes: Sentences to print below.
        console: Where to.
    """
    console.print(Text(title, style="bold"))
    for drawn in probe_tables(table):
        console.print(drawn)
    replicates = int(table["replicates"].iloc[0])
    console.print(
        Text(
            f"Below each value: 95% interval, {replicates} bootstraps over cases. Out-of-fold, 5 folds of cases. "
            "MI: lower bound on what the embedding tells of the magnification. R2, MI: 0 is chance.",
            style="dim",
        )
    )
    for note in notes:
        console.print(Text(note))


def _table(frame: pd.DataFrame, columns: Sequence[_Column]) -> Table:
    keys = ["subject", "rows", "probe", "target", "control", "metric"]
    cells = frame.set_index(keys)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("\nrows", no_wrap=True)
    table.add_column("\nembedding", no_wrap=False, max_width=_LONGEST_SUBJECT)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    subjects = list(dict.fromkeys(zip(frame["subject"], frame["kind"], strict=True)))
    for scope in dict.fromkeys(frame["rows"]):
        for place, (subject, kind) in enumerate(subjects):
            keys_of = [(subject, scope, c.probe, c.target, c.control, c.metric) for c in columns]
            drawn = [
                _cell(cells.loc[key], column.field) if key in cells.index else Text("")
                for key, column in zip(keys_of, columns, strict=True)
            ]
            name = Text(subject, style="italic" if kind == "control" else "")
            table.add_row(scope if not place else "", name, *drawn, end_section=place == len(subjects) - 1)
    return table


def _cell(row: pd.Series, field: str) -> Text:
    if np.isnan(row[field]):
        return Text(in_a_cell(of_row(row)) if field == "value" else "-", style="dim")
    text = Text(number(row[field]))
    # the shuffled control is read beside chance; its interval is in the file
    if field == "value" and np.isfinite(row["low"]) and row.name[4] == "none":
        text.append(f"\n{number(row['low'])}-{number(row['high'])}", style="dim")
    return text
