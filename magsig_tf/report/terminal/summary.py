"""The summary in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import METRICS, Summary, summary_notes
from magsig_tf.report.tables.models import SHOWN, summary_table
from magsig_tf.report.terminal.render import output_console, print_table


def print_summary(
    summary: Summary, level: str = "image", metrics: Sequence[str] = SHOWN, console: Console | None = None
) -> None:
    """Print one level of a summary, a section for each holdout, with what its columns mean above and notes below.

    Args:
        summary: What to print.
        level: "image" or "case".
        metrics: Names of the metrics to show; the first is also shown in-domain and as a drop.
        console: Where to; standard output by default, 100 columns wide when that is no terminal.
    """
    table = summary_table(summary, level, metrics)
    print_table(replace(table, notes=summary_notes(summary, level, metrics)), console or output_console())


def check_shown(metrics: Sequence[str], level: str) -> None:
    """Refuse a metric that is not defined at a level.

    Raises:
        UsageError: a metric belongs to the other level.
    """
    for name in metrics:
        if level not in METRICS[name].levels:
            remedy = f"Add --level {METRICS[name].levels[0]}"
            raise UsageError(f"Expected a metric of the {level} level", f"found {name!r}", remedy)
