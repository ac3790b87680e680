"""`magsig train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.config_options import ConfigCommand
from magsig_tf.cli.options import csv_option, json_option, mlflow_option, workspace_option
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.cli.matrix import Trained


@click.command(cls=ConfigCommand)
@click.option(
    "--config", "config_name", help="A shipped config (baseline, demo, grl, paper, paper_lite0) or a YAML file."
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set any config key; values are YAML.")
@mlflow_option
@workspace_option
@csv_option
@json_option
def train(config_name, assignments, mlflow, workspace, csv_path, as_json, **keys):
    """Train runs: every method x holdout x patient fold x seed asked for.

    A finished run is skipped; an interrupted one resumes from its last checkpoint and ends with the same weights as
    without the interruption. Settings come from the defaults, then --config, then --set and the options below. At the
    end the table of `magsig evaluate` over these runs is printed.

    \b
    magsig train --method grl --holdout 400X
    magsig train --method baseline grl --holdout all --patient-fold all --seed 0 1 2
    magsig train --config paper --set lambda_max=0.3
    """
    from magsig_tf.cli.config_options import given_keys
    from magsig_tf.cli.matrix import train_matrix
    from magsig_tf.config_files import load_config, parse_assignments

    config = load_config(config_name, parse_assignments(assignments), given_keys(keys))
    trained = train_matrix(config, workspace, mlflow=mlflow)
    if trained.is_chief:
        _print_trained(trained, workspace, csv_path, as_json)
    if trained.exit_code:
        raise SystemExit(trained.exit_code)


def _print_trained(trained: Trained, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Print the table of the finished runs; what keeps them from being evaluated does not make them less trained."""
    from magsig_tf.cli.evaluate import print_evaluation, summarise_runs
    from magsig_tf.errors import MagsigError

    chosen = {"folders": {run.folder for run in trained.runs}}
    records: list | None = []
    try:
        if trained.done and as_json:
            summary = summarise_runs(workspace, trained.dataset, csv_path=csv_path, **chosen)
            records = json.loads(summary.table.to_json(orient="records", double_precision=15))
        elif trained.done:
            print_evaluation(workspace, trained.dataset, name="", csv_path=csv_path, explained=False, **chosen)
    except MagsigError as error:
        records = None
        click.echo(f"The runs are trained, but there is no table of them. {error}", err=True)
    if as_json:
        failed = [{"folder": str(run.folder), "error": error} for run, error in trained.failed]
        done = [run.record.as_json() | {"folder": str(run.folder)} for run in trained.done]
        click.echo(json.dumps({"done": done, "failed": failed, "summary": records}, indent=2))
