"""`magsig compare`: paired differences of two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import metrics_option, show_numbers, threshold_option
from magsig_tf.cli.options import numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    pass


@click.command()
@runs_options(methods=False)
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

    \b
    magsig compare grl baseline
    """
    numbers = workflows.compare(**chosen, progress=progress_bar)
    from magsig_tf.report.terminal.results import print_comparison

    show_numbers(numbers, as_json, lambda console: print_comparison(numbers.found, metrics, console))
