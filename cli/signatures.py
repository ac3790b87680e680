"""`magsig signatures`: sparse signatures of embeddings, and how stable they are."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import embeddings_option, show_calculated, show_numbers
from magsig_tf.cli.options import numbers_options, option_with_default, runs_options
from magsig_tf.cli.output import as_records, progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.embeddings import Signatures

LONG = ("selection_frequencies", "signature_predictions")
"""Tables of signatures that --json leaves out."""


@click.command()
@runs_options()
@click.option("--compare-folds", is_flag=True, help="Compare the signatures of holdouts, and with chance.")
@option_with_default(
    "--bootstraps",
    type=click.IntRange(0),
    default=0,
    help="How often to draw the training cases again, lambda fixed, for selection frequencies: 50 or more.",
)
@click.option(
    "--random-encoder/--no-random-encoder",
    default=None,
    help="Also show the untrained encoder, once per split and seed.  [default: yes, unless --method is given]",
)
@embeddings_option
@numbers_options
def signatures(as_json: bool, **chosen: Any) -> None:
    """Show the sparse signatures of finished runs, and how stable they are.

    Prints one row for each run and writes tidy tables to results/DATASET/signatures.csv and its neighbours. With
    --method or --config-hash their names end in what was chosen; --csv takes the table of runs. Rows of an encoder that
    was never trained stand below those of the methods, for comparison.
    """
    calculate = partial(workflows.signatures, **chosen, progress=progress_bar)
    show_calculated(calculate, partial(print_signature_study, as_json=as_json))


def print_signature_study(studied: Signatures, as_json: bool = False) -> None:
    """Print signatures, or every table but the long ones as one JSON document."""
    if as_json:
        frames = {name: frame for name, frame in studied.found.frames().items() if name not in LONG}
        parts = [f'"{name}": {as_records(frame)}' for name, frame in frames.items()]
        click.echo("{" + ", ".join([*parts, f'"missing": {json.dumps(studied.notes)}']) + "}")
        return
    from magsig_tf.report.terminal.results import print_signatures

    show_numbers(studied, False, lambda console: print_signatures(studied.found, console, studied.notes))
