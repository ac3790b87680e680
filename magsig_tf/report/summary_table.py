"""The summary as a table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import METRICS, Summary, summary_notes
from magsig_tf.evaluation.drop import NOT_RUN

WIDTH = 100
SHOWN = ("auc", "f1", "brier", "ece")


def summary_table(summary: Summary, level: str = "image", metrics: Sequence[str] = SHOWN) -> Table:
    """Draw one level of a summary, a section for each holdout.

    Args:
        summary: What to draw.
        level: "image" or "case".
        metrics: Names of the metrics to show; the first is also shown in-domain and as a drop.

    Returns:
        A table with two lines a row: values, and below them their intervals. The best complete row of a holdout is
        bold; oracle rows do not compete.
    """
    frame = summary.table[summary.table["level"] == level].set_index(["label", "holdout", "metric", "quantity"])
    first = METRICS[metrics[0]]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("held\nout", no_wrap=True)
    table.add_column("method", min_width=8)
    table.add_column("cases\nb + m", justify="right", no_wrap=True)
    table.add_column(f"{first.title}\nheld-out", justify="right", no_wrap=True)
    table.add_column(f"{first.title}\nin-domain", justify="right", no_wrap=True)
    table.add_column(f"{first.title}\ndrop", justify="right", no_wrap=True)
    for name in metrics[1:]:
        table.add_column(f"{METRICS[name].title}\nheld-out", justify="right", no_wrap=True)
    labels = list(dict.fromkeys(frame.index.get_level_values("label")))
    for holdout in dict.fromkeys(frame.index.get_level_values("holdout")):
        best = {name: _best(frame, holdout, name) for name in metrics}
        for label in labels:
            cells = [frame.loc[label, holdout, first.name, quantity] for quantity in ("held_out", "in_domain", "drop")]
            cells += [frame.loc[label, holdout, name, "held_out"] for name in metrics[1:]]
            signs = [False, False, True] + [False] * (len(metrics) - 1)
            bold = [label in best[first.name], False, False] + [label in best[name] for name in metrics[1:]]
            counts = f"{cells[0]['cases_benign']} + {cells[0]['cases_malignant']}"
            drawn = [_cell(cell, sign, strong) for cell, sign, strong in zip(cells, signs, bold, strict=True)]
            if not cells[0]["runs"]:
                counts, drawn = "", drawn[:1]
            table.add_row(
                holdout if label == labels[0] else "", _stacked(label), counts, *drawn, end_section=label == labels[-1]
            )
    return table


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
    console.print(summary_table(summary, level, metrics))
    for note in [_legend(summary, metrics), *summary_notes(summary, level, metrics)]:
        console.print(Text(note), style="dim" if note.startswith("Below") else None)


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
    decides = "" if not {"f1", "accuracy"} & set(metrics) else f" Threshold: {summary.threshold}."
    return (
        f"Below each value: {summary.level:.0%} interval, {summary.replicates} bootstraps over cases. "
        "Drop: held-out minus the same images when their magnification was a source." + decides
    )


def _best(frame: pd.DataFrame, holdout: str, metric: str) -> set[str]:
    """Return the labels whose printed value is the best among complete, honestly selected rows."""
    rows = frame.xs((holdout, metric, "held_out"), level=("holdout", "metric", "quantity"))
    rows = rows[(rows["missing_runs"] == 0) & (rows["selection"] != "oracle") & rows["value"].notna()]
    better = METRICS[metric].better
    if len(rows) < 2 or better == "neither":
        return set()
    printed = rows["value"].round(3)
    return set(rows.index[printed == (printed.max() if better == "higher" else printed.min())])


def _cell(row: pd.Series, signed: bool, bold: bool) -> Text:
    if np.isnan(row["value"]):
        return Text(NOT_RUN if NOT_RUN in row["reason"] else "not defined", style="dim")
    text = Text(number(row["value"], signed), style="bold" if bold else "")
    if np.isfinite(row["low"]):
        separator = " " if signed else "-"
        interval = separator.join(number(end, signed) for end in (row["low"], row["high"]))
        text.append(f"\n{interval}", style="not bold dim")
    return text


def number(value: float, signed: bool = False) -> str:
    """Write a number with three decimals and no leading zero, as the statistics of proportions are written."""
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def _stacked(label: str) -> str:
    return label.replace(" ", "\n", 1)
