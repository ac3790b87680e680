"""How every command that calculates numbers ends: its frame as JSON, or its tables and the files that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from magsig_tf.workflows.finished_runs import Numbers


def as_records(frame: pd.DataFrame) -> str:
    """Return a frame as JSON records."""
    return frame.to_json(orient="records", double_precision=15)


def show_numbers(numbers: Numbers, as_json: bool, draw: Callable[[Console], None]) -> None:
    """Print numbers on standard output.

    Args:
        numbers: Their frame and files.
        as_json: Print the frame as JSON records instead of tables.
        draw: Draws the tables.
    """
    if as_json:
        click.echo(as_records(numbers.frame))
        return
    from magsig_tf.report.terminal.render import output_console

    console = output_console()
    draw(console)
    if numbers.files:
        print_lines(console, [f"All numbers: {', '.join(map(str, numbers.files))}"])


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print lines as they are: not folded, so that a path can be copied, and not read as markup."""
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def shown_metrics(wanted: Sequence[str]) -> list[str]:
    """Return the names of the metrics to show: the wanted ones, or the usual ones.

    Raises:
        UsageError: a wanted one does not exist.
    """
    from magsig_tf.evaluation.cells.catalogue import choose_metrics
    from magsig_tf.report.tables.models import SHOWN

    return [metric.name for metric in choose_metrics(wanted or SHOWN)]
