"""A comparison in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from magsig_tf.evaluation.comparison import Comparison, comparison_notes
from magsig_tf.report.tables.comparison import comparison_tables
from magsig_tf.report.terminal.render import print_table


def print_comparison(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    """Print a table for each pair of configs, with what its columns mean above and notes below all of them.

    Args:
        comparison: What to print.
        metrics: Names of the metrics to show.
        console: Where to.
    """
    for table in comparison_tables(comparison, metrics):
        print_table(table, console)
    for note in comparison_notes(comparison, metrics):
        console.print(Text(note))
