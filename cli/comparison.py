"""`magsig evaluate --compare METHOD REFERENCE`: two methods on the same runs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click

from magsig_tf.cli.finished_runs import progress_bar
from magsig_tf.workspace import Workspace


def comparison_name(method: str, reference: str) -> str:
    """Return the name of the result files of a comparison, without their ending."""
    return f"comparison-{quote(method, safe='')}-{quote(reference, safe='')}"


def print_methods_compared(
    workspace: Workspace,
    dataset: str,
    method: str,
    reference: str,
    *,
    configs: tuple[str, ...],
    metrics: tuple[str, ...],
    replicates: int,
    threshold: float | str,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Compare two methods, write the differences and print them.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set.
        method: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        metrics: Metrics to show; empty shows the usual ones.
        replicates: Bootstrap replicates.
        threshold: Decision threshold, or "validation".
        csv_path: Another place for the CSV.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.evaluation import load_runs
    from magsig_tf.evaluation.cells.catalogue import choose_metrics
    from magsig_tf.evaluation.comparison.frame import compare
    from magsig_tf.report.terminal.comparison import print_comparison
    from magsig_tf.report.terminal.summary import SHOWN, output_console
    from magsig_tf.runs.result_files import write_frame

    shown = [metric.name for metric in choose_metrics(metrics or SHOWN)]
    # all methods are read: the draws of cases, and the names of the rows, are those of the summary
    loaded = load_runs(workspace, dataset, configs=configs)
    with progress_bar("bootstrap") as report:
        comparison = compare(loaded, method, reference, replicates=replicates, threshold=threshold, progress=report)
    name = "" if configs else comparison_name(method, reference)
    written = write_frame(comparison.table, workspace.results() / dataset, name, csv_path)
    if as_json:
        click.echo(comparison.table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_comparison(comparison, shown, console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)
