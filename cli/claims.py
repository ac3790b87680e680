"""`magsig claims`: a paper's statements, judged by the runs there are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import margin_option, show_calculated, show_numbers
from magsig_tf.cli.options import numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.finished_runs import Numbers

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@runs_options(methods=False)
@margin_option
@click.option("--file", type=EXISTING_FILE, help="Judge another paper's claims: a YAML file.")
@numbers_options
def claims(as_json: bool, **chosen: Any) -> None:
    """Judge the statements of a paper: its number, ours with an interval, a verdict, and why.

    Reads all methods, and the tables of `magsig signatures --compare-folds`. Writes results/DATASET/claims.csv and
    claims.parquet; with --config-hash these files stay as they are, and --csv writes what was chosen.
    """
    show_calculated(partial(workflows.claims, **chosen, progress=progress_bar), partial(print_judged, as_json=as_json))


def print_judged(judged: Numbers, as_json: bool = False) -> None:
    """Print claims with their verdicts, or as JSON records."""
    from magsig_tf.report.terminal.results import print_claims

    show_numbers(judged, as_json, lambda console: print_claims(judged.found, console))
