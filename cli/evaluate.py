"""`magsig evaluate`: the numbers of all finished runs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.claims import print_claims_judged
from magsig_tf.cli.comparison import print_methods_compared
from magsig_tf.cli.explanation import explain_if_augmented, print_explanation_alone
from magsig_tf.cli.finished_runs import choose_dataset, progress_bar
from magsig_tf.cli.options import csv_option, json_option, workspace_option
from magsig_tf.errors import UsageError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.evaluation import Summary


class Threshold(click.ParamType):
    """A number from 0 to 1, or `validation`."""

    name = "number|validation"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the threshold, or fail with what was expected."""
        if value == "validation":
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            self.fail(f"expected a number from 0 to 1, or validation; found {value!r}", param, ctx)
        return number


@click.command()
@workspace_option
@click.option("--dataset", help="Data set; the only one with runs if not given.")
@click.option("--method", "methods", multiple=True, help="Only this method (repeat for several).")
@click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins with this (repeatable)."
)
@click.option(
    "--level",
    type=click.Choice(["image", "case"]),
    default="image",
    show_default=True,
    help="Whether the table counts images or cases.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Metric to show (repeat for several; the first is also shown in-domain and as a drop).  "
    "[default: auc, f1, brier, ece]",
)
@click.option(
    "--replicates", type=click.IntRange(100), default=2000, show_default=True, help="Bootstrap replicates over cases."
)
@click.option("--threshold", type=Threshold(), default=0.5, show_default=True, help="Decision threshold for malignant.")
@click.option(
    "--compare",
    nargs=2,
    metavar="METHOD REFERENCE",
    help="Instead, show the paired differences METHOD minus REFERENCE, at image and case level, with p-values.",
)
@click.option(
    "--explanation",
    "explanation_alone",
    is_flag=True,
    help="Instead, show only the explanation of runs that used GANs.",
)
@click.option(
    "--claims",
    "claims_alone",
    is_flag=True,
    help="Instead, judge the statements of the paper: its number, ours with interval, verdict and reason.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="With --claims: differences of AUC, F1 or overlap up to this size count as equivalent.  "
    "[default: equivalence_margin of the runs' configs]",
)
@csv_option
@json_option
def evaluate(
    workspace: Workspace,
    dataset: str | None,
    methods: tuple[str, ...],
    configs: tuple[str, ...],
    level: str,
    metrics: tuple[str, ...],
    replicates: int,
    threshold: float | str,
    compare: tuple[str, str] | None,
    explanation_alone: bool,
    claims_alone: bool,
    margin: float | None,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Show how finished runs perform at the held-out magnification.

    Prints one row for each held-out magnification and method, with intervals from a bootstrap over cases, and writes
    every number to results/DATASET/summary.csv and summary.parquet. If runs used GANs, an explanation table follows:
    the effect of the synthetic images beside the quality of the GANs. With --method or --config-hash the files, which
    cover all runs, are not changed; --csv writes the chosen runs.
    """
    _check_combination(methods, compare, explanation_alone, claims_alone, margin)
    dataset = choose_dataset(workspace, dataset)
    common = {"configs": configs, "replicates": replicates, "csv_path": csv_path, "as_json": as_json}
    if compare:
        print_methods_compared(workspace, dataset, *compare, metrics=metrics, threshold=threshold, **common)
    elif claims_alone:
        print_claims_judged(workspace, dataset, margin=margin, **common)
    elif explanation_alone:
        print_explanation_alone(workspace, dataset, methods=methods, level=level, **common)
    else:
        name = "" if methods or configs else "summary"
        chosen = {"methods": methods, "level": level, "metrics": metrics, "threshold": threshold, "name": name}
        print_evaluation(workspace, dataset, **chosen, **common)


def _check_combination(
    methods: tuple[str, ...],
    compare: tuple[str, str] | None,
    explanation_alone: bool,
    claims_alone: bool,
    margin: float | None,
) -> None:
    if compare and (methods or explanation_alone):
        other = "--method" if methods else "--explanation"
        raise UsageError(f"Expected --compare or {other}", "found both", "--compare names its methods and stands alone")
    if claims_alone and (methods or compare or explanation_alone):
        other = "--method" if methods else "--compare" if compare else "--explanation"
        raise UsageError(f"Expected --claims or {other}", "found both", "--claims reads all methods and stands alone")
    if margin is not None and not claims_alone:
        raise UsageError("Expected --claims beside --margin", "found none", "Add --claims or leave out --margin")


def print_evaluation(
    workspace: Workspace,
    dataset: str,
    *,
    methods: tuple[str, ...] = (),
    configs: tuple[str, ...] = (),
    folders: Collection[Path] | None = None,
    level: str = "image",
    metrics: tuple[str, ...] = (),
    replicates: int = 2000,
    threshold: float | str = 0.5,
    csv_path: Path | None = None,
    name: str = "summary",
    explained: bool = True,
    as_json: bool = False,
) -> None:
    """Evaluate a data set's finished runs, write the numbers and print them; other commands end with it.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set.
        methods: Keep these methods only; empty keeps all.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        folders: Keep the runs in these folders only; None keeps all.
        level: "image" or "case".
        metrics: Metrics to show; empty shows the usual ones.
        replicates: Bootstrap replicates.
        threshold: Decision threshold, or "validation".
        csv_path: Another place for the CSV.
        name: Name of the files in the results folder, without their ending; empty writes none there. Those of the
            explanation table are called the same with `explanation` in place of `summary`.
        explained: Whether the explanation table follows where runs used GANs.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.evaluation import load_runs, summarise
    from magsig_tf.evaluation.cells.catalogue import choose_metrics
    from magsig_tf.report.terminal.explanation import print_explanation
    from magsig_tf.report.terminal.summary import SHOWN, check_shown, output_console, print_summary
    from magsig_tf.runs.result_files import write_frame

    shown = [metric.name for metric in choose_metrics(metrics or SHOWN)]
    check_shown(shown, level)
    loaded = load_runs(workspace, dataset, methods=methods, configs=configs, folders=folders)
    with progress_bar("bootstrap") as report:
        summary = summarise(loaded, replicates=replicates, threshold=threshold, progress=report)
    explanation = explain_if_augmented(loaded, workspace, replicates) if explained else None
    written = write_frame(summary.table, workspace.results() / summary.dataset, name, csv_path)
    if explanation and name:
        folder = workspace.results() / dataset
        written += write_frame(explanation.table, folder, name.replace("summary", "explanation"))
    if as_json:
        click.echo(summary.table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_summary(summary, level, shown, console)
    if explanation:
        console.print()
        print_explanation(explanation, level, console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)


def summarise_runs(
    workspace: Workspace, dataset: str, *, folders: Collection[Path], csv_path: Path | None = None
) -> Summary:
    """Return the summary of some finished runs, for commands that print it inside something else.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        folders: Keep the runs in these folders only.
        csv_path: A place for the numbers as CSV.
    """
    from magsig_tf.evaluation import load_runs, summarise
    from magsig_tf.runs.result_files import write_frame

    with progress_bar("bootstrap") as report:
        summary = summarise(load_runs(workspace, dataset, folders=folders), progress=report)
    write_frame(summary.table, workspace.results() / summary.dataset, "", csv_path)
    return summary
