"""The explanation table of `magsig evaluate`: below its summary, or alone with `--explanation`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.finished_runs import progress_bar
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.evaluation import LoadedRuns
    from magsig_tf.evaluation.augmentation.frame import Explanation


def explain_if_augmented(loaded: LoadedRuns, workspace: Workspace, replicates: int) -> Explanation | None:
    """Return the explanation of the runs that drew from GANs; None where there are none.

    Args:
        loaded: The runs.
        workspace: Where their GANs lie.
        replicates: Bootstrap replicates.
    """
    from magsig_tf.evaluation import arrange
    from magsig_tf.evaluation.augmentation.frame import augmented_groups, explain

    if not augmented_groups(arrange(loaded.runs)):
        return None
    with progress_bar("explanation") as report:
        return explain(loaded, workspace, replicates=replicates, progress=report)


def print_explanation_alone(
    workspace: Workspace,
    dataset: str,
    *,
    methods: tuple[str, ...],
    configs: tuple[str, ...],
    level: str,
    replicates: int,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Explain a data set's augmented runs, write the numbers and print them.

    Args:
        workspace: Where runs, GANs and results lie.
        dataset: Name of the data set.
        methods: Keep these methods only; empty keeps all.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        level: "image" or "case".
        replicates: Bootstrap replicates.
        csv_path: Another place for the CSV.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.evaluation import load_runs
    from magsig_tf.evaluation.augmentation.frame import explain
    from magsig_tf.report.terminal.explanation import print_explanation
    from magsig_tf.report.terminal.summary import output_console
    from magsig_tf.runs.result_files import write_frame

    loaded = load_runs(workspace, dataset, methods=methods, configs=configs)
    with progress_bar("explanation") as report:
        explanation = explain(loaded, workspace, replicates=replicates, progress=report)
    name = "" if methods or configs else "explanation"
    written = write_frame(explanation.table, workspace.results() / dataset, name, csv_path)
    if as_json:
        click.echo(explanation.table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_explanation(explanation, level, console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)
