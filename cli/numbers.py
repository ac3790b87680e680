"""Commands that read finished runs: their numbers, those of their embeddings or of other models', and the report.

Each writes every number to the results folder, and prints its tables or, with --json, its tidy frame.
"""

from __future__ import annotations

import contextlib
import json
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FILE, FOLDER, json_option, numbers_options, option_with_default, runs_options
from magsig_tf.cli.output import as_records, output_console, print_lines, progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.workflows.embeddings import Signatures
    from magsig_tf.workflows.evaluation import Evaluated
    from magsig_tf.workflows.finished_runs import Numbers

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LONG = ("selection_frequencies", "signature_predictions")
"""Tables of signatures that --json leaves out."""

embeddings_option = click.option(
    "--embeddings",
    "files",
    multiple=True,
    type=FILE,
    help="NPZ file of another model instead of runs; repeat for several.",
)
"""Adds `--embeddings`; the command receives `files`."""


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


@click.command()
@runs_options()
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
    """
    from magsig_tf.report.terminal.results import check_shown

    check_shown(metrics, level)
    print_evaluated(workflows.evaluate(**chosen, progress=progress_bar), level, metrics, as_json)


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
    print_judged(workflows.claims(**chosen, progress=progress_bar), as_json)


def print_judged(judged: Numbers, as_json: bool = False) -> None:
    """Print claims with their verdicts, or as JSON records."""
    from magsig_tf.report.terminal.results import print_claims

    show_numbers(judged, as_json, lambda console: print_claims(judged.found, console))


@click.command()
@runs_options()
@level_option
@numbers_options
def augmentation(level: str, as_json: bool, **chosen: Any) -> None:
    """Show what synthetic images did, and how good their GANs were, for each held-out magnification.

    `magsig evaluate` prints the same table below its summary. Writes results/DATASET/explanation.csv and
    explanation.parquet; with --method or --config-hash these files stay as they are, and --csv writes what was chosen.
    """
    numbers = workflows.augmentation(**chosen, progress=progress_bar)
    from magsig_tf.report.terminal.results import print_explanation

    show_numbers(numbers, as_json, lambda console: print_explanation(numbers.found, level, console))


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
    print_signature_study(workflows.signatures(**chosen, progress=progress_bar), as_json)


def print_signature_study(studied: Signatures, as_json: bool = False) -> None:
    """Print signatures, or every table but the long ones as one JSON document."""
    if as_json:
        frames = {name: frame for name, frame in studied.found.frames().items() if name not in LONG}
        parts = [f'"{name}": {as_records(frame)}' for name, frame in frames.items()]
        click.echo("{" + ", ".join([*parts, f'"missing": {json.dumps(studied.notes)}']) + "}")
        return
    from magsig_tf.report.terminal.results import print_signatures

    show_numbers(studied, False, lambda console: print_signatures(studied.found, console, studied.notes))


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
    print_probed(workflows.probe(**chosen, progress=progress_bar), as_json)


def print_probed(probed: Numbers, as_json: bool = False) -> None:
    """Print what probes found, or its JSON records."""
    from magsig_tf.report.terminal.results import print_probes

    found = probed.found
    show_numbers(probed, as_json, lambda console: print_probes(found.table, found.title, found.notes, console))


@click.command()
@runs_options(methods=False)
@margin_option
@click.option(
    "--output",
    type=FOLDER,
    help="Folder for the page, its figures and tables.  [default: results/DATASET in the workspace]",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@json_option
def report(opened: bool, as_json: bool, **chosen: Any) -> None:
    """Write the study as one web page, with its figures and tables as files.

    The page, report.html, reads like a short paper, needs no network and can be sent to others by itself. Figures
    are written as SVG and PNG to figures/, tables as CSV and LaTeX to tables/ beside it. What is missing is named,
    with the command that supplies it. With --config-hash the names of all files end in the hashes, and those of all
    runs stay as they are.
    """
    written = workflows.report(**chosen, progress=progress_bar)
    status = written.status
    if as_json:
        lists = {"figures": written.figures, "tables": written.tables, "results": written.numbers}
        document = {"report": str(written.page), **{name: list(map(str, paths)) for name, paths in lists.items()}}
        state = {"complete": status.complete, "state": status.title, "remarks": status.remarks}
        click.echo(json.dumps(document | state))
    else:
        console = output_console()
        console.print(f"{status.title}.", style="bold", markup=False)
        lines = [
            *status.remarks,
            f"Figures: {len(written.figures)} files in {written.figures[0].parent}",
            f"Tables: {len(written.tables)} files in {written.tables[0].parent}",
            f"Report: {written.page}{'' if opened else ' (magsig report --open opens it in a browser)'}",
        ]
        print_lines(lines, console)
    if opened:
        open_in_browser(written.page)


def open_in_browser(page: Path) -> None:
    """Open a page in the user's browser; say where it is when there is none.

    Args:
        page: The page.
    """
    if not webbrowser.open(page.resolve().as_uri()):
        click.echo(f"No browser can be opened here; the page is {page.resolve()}", err=True)
