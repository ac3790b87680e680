"""Training what a config asks for: the matrix of runs with what they need first, or the GANs of folds alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from magsig_tf.config import Config
from magsig_tf.errors import MagsigError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.runs.result_files import write_frame
from magsig_tf.workflows.planning import dataset_of
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.execution.workers import Workers
    from magsig_tf.gan.fold import FoldGans
    from magsig_tf.runs.record import RunRecord
    from magsig_tf.runs.run import Run
    from magsig_tf.training.mlflow_runs import MlflowRuns
    from magsig_tf.training.run import MatrixOutcome

SILENT = Observer()


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
    def folders(self) -> set[Path]:
        """The folders of all runs; other workflows take them to read these runs alone."""
        return {run.folder for run in self.runs}

    @property
    def complete(self) -> bool:
        """Whether no run failed, and all were logged where that was asked for."""
        return self.logged and not self.failed


def train(config: Config, workspace: Workspace, *, mlflow: bool = False, observer: Observer = SILENT) -> Trained:
    """Train the runs of a config that are not done, and what they need first.

    Args:
        config: The config of the matrix.
        workspace: Where its data and runs lie.
        mlflow: Whether to log finished runs to MLflow.
        observer: Who watches.

    Raises:
        UsageError: something was asked for that does not exist; nothing was trained.
        WorkerLost: another process of this training has ended.
    """
    from magsig_tf.training.planning import missing_prerequisites, plan_matrix
    from magsig_tf.training.run import execute_matrix

    prepared = dataset_of(config, workspace)
    runs = plan_matrix(config, prepared, workspace)
    unfinished = [run for run in runs if run.status != "done"]
    needed = sum(each.is_run for each in missing_prerequisites(runs, prepared))
    store = _store(workspace, observer) if mlflow else None
    observer.matrix_started(len(unfinished) + needed)
    observer.note(
        f"Data set {prepared.name}: {len(prepared.labels)} images, {', '.join(prepared.magnifications)}. "
        f"{counted(len(runs), 'run')}, {len(runs) - len(unfinished)} of them done before."
    )
    workers = _workers(config, bool(unfinished), observer)
    store = store if workers.is_chief else None

    def finished(run: Run, record: RunRecord) -> None:
        observer.run_done(record.as_json(), str(run.folder))
        if store:
            store.log(run)

    began = time.perf_counter()
    outcome = execute_matrix(runs, prepared, observer, finished, workers)
    if outcome.done:
        observer.note(f"Trained {counted(len(outcome.done), 'run')} in {duration(time.perf_counter() - began)}.")
    if store:
        _finish_log(store, outcome, observer)
    observer.matrix_done()
    return Trained(prepared.name, runs, outcome.failed, workers.is_chief, store is None or not store.failed)


def _workers(config: Config, anything_to_do: bool, observer: Observer) -> Workers:
    """Set TensorFlow up and return the processes that train together."""
    from magsig_tf.execution.runtime import configure_tensorflow
    from magsig_tf.execution.workers import ALONE, join_workers
    from magsig_tf.tensorflow_import import load_tensorflow

    load_tensorflow()  # its settings come first, even where runs are only looked at
    if not anything_to_do and config.settings.strategy != "multiworker":
        return ALONE
    configure_tensorflow(config.settings)
    return join_workers(config.settings.strategy, observer.note)


def _store(workspace: Workspace, observer: Observer) -> MlflowRuns:
    from magsig_tf.training.mlflow_runs import MlflowRuns

    return MlflowRuns(workspace, lambda text: observer.note(f"Not logged to MLflow. {text}."))


def _finish_log(store: MlflowRuns, outcome: MatrixOutcome, observer: Observer) -> None:
    """Log the runs that were done before, and say how many are in the store."""
    for run in outcome.skipped:
        store.log(run)
    observer.note(
        f"MLflow at {store.store.uri}: {counted(store.logged, 'run')} logged, {store.known} logged before, "
        f"{store.failed} not logged."
    )


@dataclass(frozen=True)
class TrainedGans:
    """The GANs of folds.

    Args:
        done: Finished folds and their `fold.json`.
        failed: Folds that failed, and their errors.
    """

    done: list[tuple[FoldGans, dict[str, Any]]] = field(default_factory=list)
    failed: list[tuple[FoldGans, str]] = field(default_factory=list)

    @property
    def frame(self) -> pd.DataFrame:
        """The quality of every finished fold."""
        tables = [quality_of(fold).assign(fold=fold.title) for fold, _ in self.done]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def gan(
    config: Config, workspace: Workspace, *, csv_path: Path | None = None, observer: Observer = SILENT
) -> TrainedGans:
    """Train the GANs of a config's holdouts and patient folds that are not done, and measure how good they are.

    Args:
        config: The config; its method is `gan`.
        workspace: Where data and GANs lie.
        csv_path: Receives the quality of every fold.
        observer: Who watches.

    Raises:
        UsageError: something was asked for that does not exist; nothing was trained.
        WorkerLost: another process of this training has ended.
    """
    from magsig_tf.execution.workers import WorkerLost
    from magsig_tf.gan.synthetic_images import fold_status

    prepared = dataset_of(config, workspace)
    folds = _folds(config, prepared, workspace)
    unfinished = [fold for fold in folds if fold_status(fold) != "done"]
    observer.note(
        f"Data set {prepared.name}: {counted(len(folds), 'fold')} of {len(folds[0].parts)} GANs each, "
        f"{len(folds) - len(unfinished)} of them done before."
    )
    workers = _workers(config, bool(unfinished), observer)
    from magsig_tf.gan.study import ensure_fold

    trained = TrainedGans()
    for fold in folds:
        try:
            trained.done.append((fold, ensure_fold(fold, prepared, config.settings, observer, workers)))
        except (UsageError, WorkerLost):
            raise
        except MagsigError as error:
            trained.failed.append((fold, str(error)))
            observer.note(f"Failed: {fold.title}. {error}")
    if trained.done:
        write_frame(trained.frame, Path(), "", csv_path)
    return trained


def _folds(config: Config, prepared: PreparedDataset, workspace: Workspace) -> list[FoldGans]:
    from magsig_tf.gan_options import GanOptions
    from magsig_tf.methods.needs import FoldGansNeeded
    from magsig_tf.training.planning import needed_gans, plan_matrix

    first_seed = config.settings.seed[0]  # every seed of the classifier shares the GANs
    runs = [run for run in plan_matrix(config, prepared, workspace) if run.config.settings.seed == [first_seed]]
    folds = []
    for run in runs:
        options = run.config.options["gan"]
        assert isinstance(options, GanOptions)  # the registry lets no other method take the name
        folds.append(needed_gans(run, FoldGansNeeded(options), prepared))
    return folds


def quality_of(fold: FoldGans) -> pd.DataFrame:
    """Return the quality table of a finished fold."""
    return pd.read_parquet(fold.folder / "quality.parquet")


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
