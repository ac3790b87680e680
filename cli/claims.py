"""`magsig evaluate --claims`: the paper's statements, judged by finished runs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from magsig_tf.cli.finished_runs import progress_bar
from magsig_tf.workspace import Workspace


def print_claims_judged(
    workspace: Workspace,
    dataset: str,
    *,
    configs: tuple[str, ...] = (),
    folders: Collection[Path] | None = None,
    margin: float | None = None,
    file: Path | None = None,
    replicates: int = 2000,
    csv_path: Path | None = None,
    chosen: str = "",
    as_json: bool = False,
) -> None:
    """Judge the claims of the paper, write them and print them.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        folders: Keep the runs in these folders only; None keeps all.
        margin: Differences up to this size count as equivalent; None takes `equivalence_margin` of the runs' configs.
        file: A file of claims; None takes those of the paper that come with magsig.
        replicates: Bootstrap replicates.
        csv_path: Another place for the CSV.
        chosen: What tells the files of a part of the runs from those of all.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.evaluation import load_runs
    from magsig_tf.evaluation.claims.judge import judge_claims
    from magsig_tf.report.terminal.claims import print_claims
    from magsig_tf.report.terminal.summary import output_console
    from magsig_tf.runs.result_files import write_frame
    from magsig_tf.runs.settings import margin_of
    from magsig_tf.runs.signature_results import read_signature_results

    loaded = load_runs(workspace, dataset, configs=configs, folders=folders)
    margin = margin_of([run.folder for run in loaded.runs]) if margin is None else margin
    results = read_signature_results(workspace.results() / dataset, chosen)
    settings = {"margin": margin, "replicates": replicates, "results": results, "claims": file}
    with progress_bar("claims") as report:
        claims = judge_claims(loaded, workspace, **settings, progress=report)
    whose = f"claims-of-{file.stem}" if file else "claims"
    name = "" if configs else f"{whose}-{chosen}" if chosen else whose
    written = write_frame(claims.table, workspace.results() / dataset, name, csv_path)
    if as_json:
        click.echo(claims.table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_claims(claims, console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)
