"""`magsig train`: every run that is asked for and not done, and the table of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.evaluate import print_evaluated
from magsig_tf.cli.options import ConfigCommand, GivenConfig, mlflow_option, numbers_options, workspace_option
from magsig_tf.cli.output import as_records, progress_bar, say
from magsig_tf.errors import MagsigError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.workflows.training import Trained, TrainedGans


@click.command(cls=ConfigCommand)
@mlflow_option
@workspace_option
@numbers_options
def train(given: GivenConfig, mlflow: bool, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Train every combination of method, holdout, patient fold and seed that is asked for.

    A run that is done is skipped; one that was interrupted goes on from its last checkpoint and ends with the same
    weights as one that was not. Settings come from the defaults, then --config, then --set and the options below.
    Ends with the table of `magsig evaluate` over these runs.

    \b
    magsig train --method grl --holdout 400X
    magsig train --method baseline grl --holdout all --patient-fold all --seed 0 1 2
    magsig train --config paper --set lambda_max=0.3
    """
    config = given.load()
    from magsig_tf.cli.training_display import TrainingDisplay

    with TrainingDisplay() as display:
        trained = workflows.train(config, workspace, mlflow=mlflow, observer=display)
    if trained.is_chief:
        _print_trained(trained, workspace, csv_path, as_json)
    if not trained.complete:
        raise SystemExit(1)


def _print_trained(trained: Trained, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Print the table of the finished runs; what keeps them from being evaluated does not make them less trained."""
    from magsig_tf.workflows.finished_runs import NotWrittenError

    records: list | None = []
    unwritten: MagsigError | None = None
    try:
        if trained.done:
            shown: dict[str, Any] = {"augmentation": False, "csv_path": csv_path, "progress": progress_bar}
            evaluated = workflows.evaluate(workspace, trained.dataset, folders=trained.folders, **shown)
            if as_json:
                records = json.loads(as_records(evaluated.frame))
            else:
                print_evaluated(evaluated)
    except NotWrittenError as error:
        unwritten = error
        if as_json:
            records = json.loads(as_records(error.result.frame))
        else:
            print_evaluated(error.result)
    except MagsigError as error:
        records = None
        say(f"The runs are trained, but there is no table of them. {error}", err=True)
    if as_json:
        done = [run.record.as_json() | {"folder": str(run.folder)} for run in trained.done]
        click.echo(json.dumps({"done": done, "failed": failures(trained), "summary": records}, indent=2))
    if unwritten is not None:
        raise unwritten


def failures(trained: Trained | TrainedGans) -> list[dict[str, str]]:
    """Return what failed, each with its folder and error, for --json."""
    return [{"folder": str(each.folder), "error": error} for each, error in trained.failed]
