"""`magsig compare`: paired differences of two methods."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import metrics_option, show_calculated, show_numbers, threshold_option
from magsig_tf.cli.options import SeveralValuesCommand, numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.finished_runs import Numbers


@click.command(cls=SeveralValuesCommand)
@runs_options(methods=False, side_by_side=True)
@click.option(
    "--reference-dataset",
    multiple=True,
    metavar="NAME...",
    help="Data set that REFERENCE is taken from, if not that of METHOD.",
)
@metrics_option
@threshold_option
@numbers_options
@click.argument("method")
@click.argument("reference")
def compare(metrics: list[str], as_json: bool, **chosen: Any) -> None:
    """Show the differences METHOD minus REFERENCE on the same runs, with intervals and p-values.

    Runs are paired by split, patient fold and seed; images and cases have a table each. Writes every number to
    results/DATASET/comparison-METHOD-REFERENCE.csv and .parquet; with --config-hash these files stay as they are, and
    --csv writes what was chosen.

    Several data sets of the same images stand side by side, paired by image: two methods are compared within each, one
    method twice across them. --reference-dataset takes REFERENCE from another data set than METHOD.

    \b
    magsig compare grl baseline
    magsig compare grl linear --dataset uni lite0
    magsig compare linear linear --dataset uni --reference-dataset lite0
    """
    show_calculated(partial(workflows.compare, **chosen, progress=progress_bar), partial(_print, metrics, as_json))


def _print(metrics: list[str], as_json: bool, numbers: Numbers) -> None:
    from magsig_tf.report.terminal.results import print_comparison

    show_numbers(numbers, as_json, lambda console: print_comparison(numbers.found, metrics, console))
