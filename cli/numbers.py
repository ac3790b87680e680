"""What the commands that read finished runs share: their options, and how numbers are printed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from magsig_tf.cli.options import FILE, Command, option_with_default
from magsig_tf.cli.output import as_records, output_console, print_lines

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.workflows.finished_runs import Numbers

_embeddings = click.option(
    "--embeddings",
    "files",
    multiple=True,
    type=FILE,
    help="NPZ file of another model instead of runs; repeat for several.",
)
_names_are_exact = click.option(
    "--names-are-exact", is_flag=True, help="Keep names in files of --embeddings that may be one apart."
)


def embeddings_option(command: Command) -> Command:
    """Add `--embeddings` and how its names are read; the command receives `files` and `names_are_exact`."""
    return _embeddings(_names_are_exact(command))


def _as_metrics(_context: click.Context, _parameter: click.Parameter, wanted: tuple[str, ...]) -> list[str]:
    from magsig_tf.evaluation.cells.catalogue import choose_metrics
    from magsig_tf.report.terminal.results import SHOWN

    return [metric.name for metric in choose_metrics(wanted or SHOWN)]


metrics_option = click.option(
    "--metric",
    "metrics",
    multiple=True,
    callback=_as_metrics,
    help="Metric to show; repeat for several.  [default: auc, f1, brier, ece]",
)
"""Adds `--metric`; the command receives `metrics`, names of metrics that there are."""

level_option = option_with_default(
    "--level", type=click.Choice(["image", "case"]), default="image", help="What the table counts: images or cases."
)
"""Adds `--level`; the command receives `level`."""


class Threshold(click.ParamType):
    """A number from 0 to 1, or `validation`."""

    name = "number|validation"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the threshold, or fail with what was expected."""
        if value == "validation":
            return value
        with contextlib.suppress(TypeError, ValueError):
            if 0 <= (number := float(value)) <= 1:
                return number
        self.fail(f"expected a number from 0 to 1, or validation; found {value!r}", param, ctx)


margin_option = click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Differences of AUC, F1 or overlap up to this size count as equivalent.  [default: equivalence_margin of "
    "the runs' configs]",
)
"""Adds `--margin`; the command receives `margin`."""

threshold_option = option_with_default(
    "--threshold",
    type=Threshold(),
    default=0.5,
    help="Probability from which an image is called malignant; validation chooses it on the validation part.",
)
"""Adds `--threshold`; the command receives `threshold`."""


Result = TypeVar("Result")


def show_calculated(calculate: Callable[[], Result], show: Callable[[Result], None]) -> None:
    """Show what a workflow returns; where it cannot be written, show it all the same before the error.

    Args:
        calculate: The workflow.
        show: Prints its result.

    Raises:
        NotWrittenError: it cannot be written.
    """
    from magsig_tf.workflows.finished_runs import NotWrittenError

    try:
        result = calculate()
    except NotWrittenError as error:
        show(error.result)
        raise
    show(result)


def show_numbers(numbers: Numbers, as_json: bool, draw: Callable[[Console], None]) -> None:
    """Print numbers on standard output, and the files that hold them.

    Args:
        numbers: Their frame and files.
        as_json: Print the frame as JSON records instead of tables.
        draw: Draws the tables.
    """
    if as_json:
        click.echo(as_records(numbers.frame))
        return
    console = output_console()
    draw(console)
    if numbers.files:
        print_lines([f"All numbers: {', '.join(map(str, numbers.files))}"], console)
