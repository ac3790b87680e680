"""What `train` and `reproduce` share: carry out a matrix with a display and say what came of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from magsig_tf.config import Config
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.training.run import Run


def train_matrix(config: Config, workspace: Workspace, *, as_json: bool = False) -> list[Run]:
    """Train the runs of a config that are not done, and report each.

    Exits with 1 after the last run where some failed.

    Returns:
        All runs of the config, those done before among them.
    """
    from rich.console import Console

    from magsig_tf.cli.training_display import TrainingDisplay
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.execution.runtime import configure_tensorflow
    from magsig_tf.execution.workers import ALONE, join_workers
    from magsig_tf.tensorflow_import import load_tensorflow
    from magsig_tf.training.matrix import execute_matrix, plan_matrix
    from magsig_tf.training.prerequisites import missing_prerequisites

    console = Console(stderr=True)
    prepared = PreparedDataset.open(workspace.data(workspace.choose_dataset(config.settings.dataset)))
    runs = plan_matrix(config, prepared, workspace)
    unfinished = [run for run in runs if run.status != "done"]
    needed = sum(each.is_run for each in missing_prerequisites(runs, prepared))
    console.print(
        f"Data set {prepared.name}: {len(prepared.labels)} images, {', '.join(prepared.magnifications)}. "
        f"{_counted(len(runs), 'run')}, {len(runs) - len(unfinished)} of them done before.",
        highlight=False,
        soft_wrap=True,
    )
    workers = ALONE
    if unfinished or config.settings.strategy == "multiworker":
        load_tensorflow()
        configure_tensorflow(config.settings)
        workers = join_workers(config.settings.strategy, console.print)
    began = time.perf_counter()
    with TrainingDisplay(console, len(unfinished) + needed) as display:
        outcome = execute_matrix(runs, prepared, display, lambda run, record: display.note(_said(run, record)), workers)
    if as_json:
        failed = [{"folder": str(run.folder), "error": error} for run, error in outcome.failed]
        done = [run.record() | {"folder": str(run.folder)} for run in runs if run.status == "done"]
        click.echo(json.dumps({"done": done, "failed": failed}, indent=2))
    elif outcome.done:
        console.print(
            f"Trained {_counted(len(outcome.done), 'run')} in {_duration(time.perf_counter() - began)}.",
            highlight=False,
        )
    if outcome.failed:
        raise SystemExit(1)
    return runs


def list_matrix(config: Config, workspace: Workspace) -> None:
    """Print the runs of a config, their state, and the time that the unfinished ones should take."""
    from rich.console import Console
    from rich.table import Table

    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.training.matrix import estimated_seconds, plan_matrix
    from magsig_tf.training.prerequisites import missing_prerequisites

    prepared = PreparedDataset.open(workspace.data(workspace.choose_dataset(config.settings.dataset)))
    runs = plan_matrix(config, prepared, workspace)
    first = missing_prerequisites(runs, prepared)
    table = Table(title=f"{len(runs)} runs on {prepared.name}", title_justify="left")
    for column in ("method", "holdout", "patient fold", "seed", "state"):
        table.add_column(column)
    for run in runs:
        s = run.config.settings
        table.add_row(s.method[0], s.holdout[0], str(s.patient_fold[0]), str(s.seed[0]), run.status)
    console = Console()
    console.print(table)
    for each in first:
        console.print(f"Trained first: {each.title} ({each.status})", highlight=False, markup=False, soft_wrap=True)
    estimate = estimated_seconds(runs)
    if estimate is None:
        console.print("No run is finished yet, so there is no estimate of the time.")
    else:
        console.print(f"The unfinished runs should take about {_duration(estimate)}, judged by the finished ones.")


def _said(run, record: dict) -> str:
    chosen = record["chosen"]
    state = "".join(f", {name} {value:.2f}" for name, value in chosen["state"].items())
    oracle = " by the oracle (it looks at the holdout)" if record["selection"] == "oracle" else ""
    return (
        f"Epoch {chosen['epoch'] + 1} chosen{oracle}: validation loss {chosen['validation_loss']:.3f}{state}. "
        f"{_duration(record['seconds'])}. {run.folder}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
