"""`magsig compare METHOD REFERENCE`: two methods on the same runs."""

from __future__ import annotations

from typing import Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import show_numbers, shown_metrics
from magsig_tf.cli.options import metrics_option, numbers_options, runs_options, threshold_option
from magsig_tf.cli.progress import progress_bar


@click.command()
@runs_options(methods=False)
@metrics_option
@threshold_option
@numbers_options
@click.argument("method")
@click.argument("reference")
def compare(metrics: tuple[str, ...], as_json: bool, **chosen: Any) -> None:
    """Show the differences METHOD minus REFERENCE on the same runs, with intervals and p-values.

    Runs are paired by split, patient fold and seed; images and cases have a table each. Writes every number to
    results/DATASET/comparison-METHOD-REFERENCE.csv and .parquet; with --config-hash these files stay as they are, and
    --csv writes what was chosen.

    \b
    magsig compare grl baseline
    """
    shown = shown_metrics(metrics)
    numbers = workflows.compare(**chosen, progress=progress_bar)
    from magsig_tf.report.terminal.results import print_comparison

    show_numbers(numbers, as_json, lambda console: print_comparison(numbers.found, shown, console))
