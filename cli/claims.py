"""`magsig claims`: the paper's statements, judged by finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import show_numbers
from magsig_tf.cli.options import margin_option, numbers_options, runs_options
from magsig_tf.cli.progress import progress_bar

if TYPE_CHECKING:
    from magsig_tf.evaluation.claims.judge import Claims
    from magsig_tf.workflows.finished_runs import Numbers


@click.command()
@runs_options(methods=False)
@margin_option
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge another paper's claims: a YAML file.",
)
@numbers_options
def claims(as_json: bool, **chosen: Any) -> None:
    """Judge the statements of a paper: its number, ours with an interval, a verdict, and why.

    Reads all methods, and the tables of `magsig signatures --compare-folds`. Writes results/DATASET/claims.csv and
    claims.parquet; with --config-hash these files stay as they are, and --csv writes what was chosen.
    """
    print_judged(workflows.claims(**chosen, progress=progress_bar), as_json)


def print_judged(judged: Numbers[Claims], as_json: bool = False) -> None:
    """Print claims with their verdicts.

    Args:
        judged: The claims.
        as_json: Print JSON records instead of the table.
    """
    from magsig_tf.report.terminal.results import print_claims

    show_numbers(judged, as_json, lambda console: print_claims(judged.found, console))
