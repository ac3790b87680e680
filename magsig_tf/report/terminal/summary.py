"""The summary as a table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import METRICS, Summary, summary_notes
from magsig_tf.evaluation.printed import number
from magsig_tf.reasons import of_row
from magsig_tf.report.words import absent

WIDTH = 100
SHOWN = ("auc", "f1", "brier", "ece")
TITLES = {"held_out": "held-out", "in_domain": "in-domain", "drop": "drop"}
"""Quantities that are shown, as their columns are headed."""

_MARKS_WIDTH = 18
"""Letters of a line of what stands below a method: the hash of its config, and marks."""

Column = tuple[str, str]
"""A metric and a quantity of the summary."""


def summary_tables(
    summary: Summary, level: str = "image", metrics: Sequence[str] = SHOWN, width: int = WIDTH
) -> list[Table]:
    """Draw one level of a summary, a section for each holdout; in several tables where one would be too wide.

    Args:
        summary: What to draw.
        level: "image" or "case".
        metrics: Names of the metrics to show; the first is also shown in-domain and as a drop.
        width: Columns of text that a table may take.

    Returns:
        Tables with two lines a row: values, and below them their intervals. The best row of a holdout is bold, among
        those that rest on the same splits and seeds; rows of oracles and of moving statistics do not compete.
    """
    frame = summary.table[summary.table["level"] == level].set_index(["label", "holdout", "metric", "quantity"])
    columns = [(metrics[0], quantity) for quantity in TITLES] + [(name, "held_out") for name in metrics[1:]]
    tables: list[Table] = []
    first = 0
    for end in range(1, len(columns) + 1):
        table = _table(frame, columns[first:end])
        if end - first > 1 and _width(table) > width:
            first = end - 1
            table = _table(frame, columns[first:end])
            tables.append(table)
        else:
            tables[-1:] = [table]
    return tables


def _table(frame: pd.DataFrame, columns: Sequence[Column]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("held\nout", no_wrap=True)
    table.add_column("method", min_width=8, no_wrap=True)
    table.add_column("cases\nb + m", justify="right", no_wrap=True)
    for metric, quantity in columns:
        table.add_column(f"{METRICS[metric].title}\n{TITLES[quantity]}", justify="right", no_wrap=True)
    labels = list(dict.fromkeys(frame.index.get_level_values("label")))
    for holdout in dict.fromkeys(frame.index.get_level_values("holdout")):
        best = {metric: _best(frame, holdout, metric) for metric, _ in columns}
        for label in labels:
            cells = [frame.loc[label, holdout, metric, quantity] for metric, quantity in columns]
            held_out = frame.loc[label, holdout, columns[0][0], "held_out"]
            drawn = [
                _cell(cell, quantity == "drop", quantity == "held_out" and label in best[metric])
                for cell, (metric, quantity) in zip(cells, columns, strict=True)
            ]
            counts = f"{held_out['cases_benign']} + {held_out['cases_malignant']}"
            if not held_out["runs"]:
                counts, drawn = "", drawn[:1]
            table.add_row(
                holdout if label == labels[0] else "", _stacked(label), counts, *drawn, end_section=label == labels[-1]
            )
    return table


def _width(table: Table) -> int:
    """Return the columns of text that a table takes where nothing is shortened."""
    unlimited = Console(width=10_000)
    return Measurement.get(unlimited, unlimited.options, table).maximum


def print_summary(
    summary: Summary, level: str = "image", metrics: Sequence[str] = SHOWN, console: Console | None = None
) -> None:
    """Print the table of one level with a title above and notes below.

    Args:
        summary: What to print.
        level: "image" or "case".
        metrics: Names of the metrics to show.
        console: Where to; standard output by default, 100 columns wide when that is no terminal.
    """
    console = console or output_console()
    console.print(
        Text(f"{summary.dataset}: trained without a magnification, tested on it ({level} level)", style="bold")
    )
    for table in summary_tables(summary, level, metrics, console.width):
        console.print(table)
    for note in [_legend(summary, metrics), *summary_notes(summary, level, metrics)]:
        console.print(Text(note), style="dim" if note.startswith("Below") else None)


def best_labels(summary: Summary) -> dict[tuple[str, str, str], set[str]]:
    """Return the labels with the best held-out value: (holdout, level, metric) -> labels, empty where none competes.

    Args:
        summary: The summary.
    """
    rows = summary.table[summary.table["quantity"] == "held_out"].set_index("label")
    return {key: _best_of(cells, key[2]) for key, cells in rows.groupby(["holdout", "level", "metric"])}


def check_shown(metrics: Sequence[str], level: str) -> None:
    """Refuse a metric that is not defined at a level.

    Raises:
        UsageError: a metric belongs to the other level.
    """
    for name in metrics:
        if level not in METRICS[name].levels:
            raise UsageError(
                f"Expected a metric of the {level} level",
                f"found {name!r}",
                f"Add --level {METRICS[name].levels[0]}",
            )


def output_console() -> Console:
    """Return a console on standard output, 100 columns wide when that is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def _legend(summary: Summary, metrics: Sequence[str]) -> str:
    decides = f" Threshold: {summary.threshold}." if any(METRICS[name].threshold for name in metrics) else ""
    return (
        f"Below each value: {summary.level:.0%} interval, {summary.replicates} bootstraps over cases. "
        "Drop: held-out minus the same images when their magnification was a source." + decides
    )


def _best(frame: pd.DataFrame, holdout: str, metric: str) -> set[str]:
    """Return the labels whose printed value is the best among complete, honestly selected rows."""
    return _best_of(frame.xs((holdout, metric, "held_out"), level=("holdout", "metric", "quantity")), metric)


def _best_of(rows: pd.DataFrame, metric: str) -> set[str]:
    """Return the best labels of one holdout, level and metric; the rows are indexed by label."""
    rows = rows[rows["compared"] & rows["value"].notna()]
    better = METRICS[metric].better
    if len(rows) < 2 or better == "neither":
        return set()
    printed = rows["value"].round(3)
    return set(rows.index[printed == (printed.max() if better == "higher" else printed.min())])


def _cell(row: pd.Series, signed: bool, bold: bool) -> Text:
    if np.isnan(row["value"]):
        return Text(absent(of_row(row)), style="dim")
    text = Text(number(row["value"], signed), style="bold" if bold else "")
    if np.isfinite(row["low"]):
        separator = " " if signed else "-"
        interval = separator.join(number(end, signed) for end in (row["low"], row["high"]))
        text.append(f"\n{interval}", style="not bold dim")
    return text


def _stacked(label: str) -> str:
    """Put what follows the method on lines of its own."""
    method, _, marks = label.partition(" ")
    return "\n".join([method, *wrap(marks, _MARKS_WIDTH)])
