"""`magsig evaluate`: how well finished runs do at the held-out magnification."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import level_option, metrics_option, show_calculated, show_numbers, threshold_option
from magsig_tf.cli.options import SeveralValuesCommand, numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.workflows.evaluation import Evaluated


@click.command(cls=SeveralValuesCommand)
@runs_options(side_by_side=True)
@level_option
@metrics_option
@threshold_option
@numbers_options
def evaluate(level: str, metrics: list[str], as_json: bool, **chosen: Any) -> None:
    """Show how well finished runs do at the magnification that was held out.

    Prints one row for each held-out magnification and method, with intervals from a bootstrap over cases, and writes
    every number to results/DATASET/summary.csv and summary.parquet. The first metric is also shown in-domain and as a
    drop. Where runs used synthetic images, the table of `magsig augmentation` follows. With --method or --config-hash
    these files, which are of all runs, stay as they are; --csv writes what was chosen.

    Several data sets of the same images, for instance the embeddings of several encoders, stand side by side on the
    images that all of them have. Their numbers are written to results/DATASET+DATASET.

    \b
    magsig evaluate --dataset uni lite0
    """
    from magsig_tf.report.terminal.results import check_shown

    check_shown(metrics, level)
    show = partial(print_evaluated, level=level, shown=metrics, as_json=as_json)
    show_calculated(partial(workflows.evaluate, **chosen, progress=progress_bar), show)


def print_evaluated(given: Evaluated, level: str = "image", shown: Sequence[str] = (), as_json: bool = False) -> None:
    """Print a summary and, where it has one, the table of what synthetic images did.

    Args:
        given: The numbers.
        level: "image" or "case".
        shown: Names of metrics; empty shows the usual ones.
        as_json: Print the summary as JSON records instead.
    """
    from magsig_tf.report.terminal.results import SHOWN, print_explanation, print_summary

    def draw(console: Console) -> None:
        print_summary(given.found, level, shown or SHOWN, console)
        if given.augmentation:
            console.print()
            print_explanation(given.augmentation, level, console)

    show_numbers(given, as_json, draw)
