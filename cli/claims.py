"""`magsig evaluate --claims`: the paper's statements, judged by finished runs."""

from __future__ import annotations

from pathlib import Path

import click

from magsig_tf.cli.finished_runs import progress_bar
from magsig_tf.workspace import Workspace


def print_claims_judged(
    workspace: Workspace,
    dataset: str,
    *,
    configs: tuple[str, ...],
    margin: float,
    replicates: int,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Judge the claims of the paper, write them and print them.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        margin: Differences up to this size count as equivalent.
        replicates: Bootstrap replicates.
        csv_path: Another place for the CSV.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.evaluation import load_runs
    from magsig_tf.evaluation.claims import judge_claims
    from magsig_tf.evaluation.tables import write_frame
    from magsig_tf.report.claims_table import print_claims
    from magsig_tf.report.summary_table import output_console

    loaded = load_runs(workspace, dataset, configs=configs)
    with progress_bar("claims") as report:
        claims = judge_claims(loaded, workspace, margin=margin, replicates=replicates, progress=report)
    name = "" if configs else "claims"
    written = write_frame(claims.table, workspace.results() / dataset, name, csv_path)
    if as_json:
        click.echo(claims.table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_claims(claims, console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)
