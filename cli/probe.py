"""`magsig probe`: what can be read from frozen embeddings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import embeddings_option, show_calculated, show_numbers
from magsig_tf.cli.options import numbers_options, runs_options
from magsig_tf.cli.output import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.finished_runs import Numbers


@click.command()
@runs_options()
@embeddings_option
@click.option("--workers", type=click.IntRange(1), help="Processes to use.  [default: one per core]")
@numbers_options
def probe(as_json: bool, **chosen: Any) -> None:
    """Measure how well magnification, case and known factors can be read from frozen embeddings.

    Prints one row for each method and control, with the value that chance gives, intervals from a bootstrap over
    cases, and writes every number to results/DATASET/probes.csv and probes.parquet. With --method, --config-hash or
    --embeddings these files, which are of all runs, stay as they are; --csv writes what was chosen.
    """
    show_calculated(partial(workflows.probe, **chosen, progress=progress_bar), partial(print_probed, as_json=as_json))


def print_probed(probed: Numbers, as_json: bool = False) -> None:
    """Print what probes found, or its JSON records."""
    from magsig_tf.report.terminal.results import print_probes

    found = probed.found
    show_numbers(probed, as_json, lambda console: print_probes(found.table, found.title, found.notes, console))
