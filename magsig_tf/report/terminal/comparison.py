"""A comparison as a table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.comparison.frame import Comparison
from magsig_tf.evaluation.comparison.notes import comparison_notes
from magsig_tf.evaluation.printed import number, p_value
from magsig_tf.reasons import of_row
from magsig_tf.report.words import absent
from magsig_tf.statistics.units import LEVELS

_CLEAR = 0.05
"""Holm p-values below this are bold."""


def comparison_table(table: pd.DataFrame, metrics: Sequence[str]) -> Table:
    """Draw the differences of one pair, a section for each holdout and a row for each metric.

    Args:
        table: The rows of one pair of configs.
        metrics: Names of the metrics to show.

    Returns:
        A table with the image level on the left and the case level on the right; below each difference its interval.
    """
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    drawn.add_column("held\nout", no_wrap=True)
    drawn.add_column("\nmetric", no_wrap=True)
    drawn.add_column("cases\nb + m", justify="right", no_wrap=True)
    for level in LEVELS:
        drawn.add_column(f"{level} level\ndifference", justify="right", no_wrap=True)
        drawn.add_column("\np", justify="right", no_wrap=True)
        drawn.add_column("\nHolm p", justify="right", no_wrap=True)
    cells = table.set_index(["holdout", "metric", "level"])
    for holdout in dict.fromkeys(table["holdout"]):
        for place, metric in enumerate(metrics):
            rows = {level: cells.loc[holdout, metric, level] for level in LEVELS if level in METRICS[metric].levels}
            counts = next(iter(rows.values()))
            words = f"{counts['cases_benign']} + {counts['cases_malignant']}" if counts["pairs"] else ""
            drawn.add_row(
                "" if place else holdout,
                METRICS[metric].title,
                "" if place else words,
                *[cell for level in LEVELS for cell in _cells(rows.get(level))],
                end_section=metric == metrics[-1],
            )
    return drawn


def print_comparison(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    """Print a table for each pair of configs with a title above and notes below.

    Args:
        comparison: What to print.
        metrics: Names of the metrics to show.
        console: Where to.
    """
    for pair in comparison.pairs:
        first, second = pair.first.label, pair.reference.label
        title = f"{comparison.dataset}: {first} minus {second} at the magnification held out"
        console.print(Text(title, style="bold"))
        rows = comparison.table[(comparison.table["label"] == first) & (comparison.table["reference_label"] == second)]
        console.print(comparison_table(rows, metrics))
    for note in [_legend(comparison, metrics), *comparison_notes(comparison, metrics)]:
        console.print(Text(note), style="dim" if note.startswith("Below") else None)


def _cells(row: pd.Series | None) -> tuple[Text, Text, Text]:
    if row is None:
        return Text(""), Text(""), Text("")
    if np.isnan(row["value"]):
        return Text(absent(of_row(row)), style="dim"), Text(""), Text("")
    clear = row["holm_p"] < _CLEAR
    text = Text(number(row["value"], signed=True), style="bold" if clear else "")
    if np.isfinite(row["low"]):
        text.append(f"\n{number(row['low'], True)} {number(row['high'], True)}", style="not bold dim")
    return text, Text(p_value(row["p"])), Text(p_value(row["holm_p"]), style="bold" if clear else "")


def _legend(comparison: Comparison, metrics: Sequence[str]) -> str:
    tests = comparison.table.loc[comparison.table["metric"].isin(metrics), "tests"].max()
    worse = [METRICS[name].title for name in metrics if METRICS[name].better == "lower"]
    sign = f" Above 0 is worse for {', '.join(worse)}." if worse else ""
    decides = f" Threshold: {comparison.threshold}." if any(METRICS[name].threshold for name in metrics) else ""
    return (
        f"Below each difference: {comparison.level:.0%} interval, {comparison.replicates} bootstraps over cases, both "
        f"methods on the same draws. Holm: for up to {tests} tests of one metric at one level, pooled ones apart."
        f"{sign}{decides}"
    )
