"""`magsig augmentation`: what synthetic images changed, and how good their GANs were."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import level_option, show_calculated, show_numbers
from magsig_tf.cli.options import numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.finished_runs import Numbers


@click.command()
@runs_options()
@level_option
@numbers_options
def augmentation(level: str, as_json: bool, **chosen: Any) -> None:
    """Show what synthetic images did, and how good their GANs were, for each held-out magnification.

    `magsig evaluate` prints the same table below its summary. Writes results/DATASET/explanation.csv and
    explanation.parquet; with --method or --config-hash these files stay as they are, and --csv writes what was chosen.
    """
    show_calculated(partial(workflows.augmentation, **chosen, progress=progress_bar), partial(_print, level, as_json))


def _print(level: str, as_json: bool, numbers: Numbers) -> None:
    from magsig_tf.report.terminal.results import print_explanation

    show_numbers(numbers, as_json, lambda console: print_explanation(numbers.found, level, console))
