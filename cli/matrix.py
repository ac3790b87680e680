"""What `train` and `reproduce` share: carry out a matrix with a display and say what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magsig_tf.config import Config
from magsig_tf.statistics_rule import MARK, MOVING, rule_of
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.runs.run_folder import Run
    from magsig_tf.training.matrix import MatrixOutcome
    from magsig_tf.training.mlflow_runs import MlflowRuns


@dataclass(frozen=True)
class Trained:
    """A matrix that was carried out.

    Args:
        dataset: Name of the data set.
        runs: All runs of the config, those done before among them.
        failed: Runs that failed, and their errors.
        is_chief: Whether this process is the one that writes and prints.
        logged: Whether all finished runs are in MLflow, where that was asked for.
    """

    dataset: str
    runs: list[Run]
    failed: list[tuple[Run, str]]
    is_chief: bool = True
    logged: bool = True

    @property
    def done(self) -> list[Run]:
        """The runs that are finished."""
        return [run for run in self.runs if run.status == "done"]

    @property
    def exit_code(self) -> int:
        """1 where a run failed, or was not logged though asked for."""
        return 1 if self.failed or not self.logged else 0


def train_matrix(config: Config, workspace: Workspace, *, mlflow: bool = False) -> Trained:
    """Train the runs of a config that are not done, and report each.

    Args:
        config: The config of the matrix.
        workspace: Where its data and runs lie.
        mlflow: Whether to log finished runs to MLflow.

    Raises:
        UsageError: something was asked for that does not exist; nothing was trained.
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
    store = _store(workspace, console) if mlflow else None
    _say(
        console,
        f"Data set {prepared.name}: {len(prepared.labels)} images, {', '.join(prepared.magnifications)}. "
        f"{_counted(len(runs), 'run')}, {len(runs) - len(unfinished)} of them done before.",
    )
    workers = ALONE
    load_tensorflow()  # its settings come first, even where runs are only looked at
    if unfinished or config.settings.strategy == "multiworker":
        configure_tensorflow(config.settings)
        workers = join_workers(config.settings.strategy, console.print)
    store = store if workers.is_chief else None
    began = time.perf_counter()
    with TrainingDisplay(console, len(unfinished) + needed) as display:

        def finished(run: Run, record: dict) -> None:
            display.note(_said(run, record))
            if store:
                store.log(run)

        outcome = execute_matrix(runs, prepared, display, finished, workers)
    if outcome.done:
        _say(console, f"Trained {_counted(len(outcome.done), 'run')} in {duration(time.perf_counter() - began)}.")
    _finish_log(store, outcome, console)
    logged = store is None or not store.failed
    return Trained(prepared.name, runs, outcome.failed, workers.is_chief, logged)


def _store(workspace: Workspace, console: Console) -> MlflowRuns:
    from magsig_tf.training.mlflow_runs import MlflowRuns

    return MlflowRuns(workspace, lambda text: _say(console, f"Not logged to MLflow. {text}."))


def _finish_log(store: MlflowRuns | None, outcome: MatrixOutcome, console: Console) -> None:
    """Log the runs that were done before, and say how many are in the store."""
    if store is None:
        return
    for run in outcome.skipped:
        store.log(run)
    _say(
        console,
        f"MLflow at {store.store.uri}: {_counted(store.logged, 'run')} logged, {store.known} logged before, "
        f"{store.failed} not logged.",
    )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _said(run: Run, record: dict) -> str:
    chosen = record["chosen"]
    state = "".join(f", {name} {value:.2f}" for name, value in chosen["state"].items())
    oracle = " by the oracle (it looks at the holdout)" if record["selection"] == "oracle" else ""
    moving = f" ({MARK})" if rule_of(record, {}) == MOVING else ""
    return (
        f"{_weights(chosen)} chosen{oracle}: validation loss {chosen['validation_loss']:.3f}{moving}{state}. "
        f"{duration(record['seconds'])}. {run.folder}"
    )


def _weights(chosen: dict) -> str:
    if "window" in chosen:
        return "Mean weights of steps {first_step} to {last_step}".format_map(chosen["window"])
    return f"Epoch {chosen['epoch'] + 1}"


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
