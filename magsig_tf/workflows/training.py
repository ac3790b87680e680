"""Training what a config asks for: its plan, the matrix of runs with what they need first, the GANs of folds alone."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from magsig_tf.config import Config
from magsig_tf.config_files import load_config
from magsig_tf.data.prepared import Dataset, open_dataset, with_images
from magsig_tf.errors import DataError, MagsigError, UsageError, in_words
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.runtime import configure_tensorflow
from magsig_tf.execution.tensorflow_import import load_tensorflow
from magsig_tf.execution.turns import take_turns
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers, join_workers
from magsig_tf.gan.fold import FoldGans, fold_status
from magsig_tf.locks import HeldError
from magsig_tf.methods.needs import FoldGansNeeded
from magsig_tf.models.gan_options import GanOptions
from magsig_tf.parquet_files import read_parquet
from magsig_tf.runs.record import RunRecord
from magsig_tf.runs.result_files import write_frame
from magsig_tf.runs.run import Run
from magsig_tf.training.mlflow_runs import MlflowRuns
from magsig_tf.training.planning import (
    Prerequisite,
    estimated_seconds,
    missing_prerequisites,
    needed_gans,
    plan_matrix,
    prerequisites,
)
from magsig_tf.training.run import execute_matrix
from magsig_tf.workflows.finished_runs import NotWrittenError
from magsig_tf.workflows.step_times import StepTimes, counted, duration
from magsig_tf.workspace import Workspace

SILENT = Observer()
COLUMNS = ("kind", "title", "method", "holdout", "patient_fold", "seed", "state", "seconds", "folder")


def configure(name: str | None = None, **settings: Any) -> Config:
    """Return a config: defaults, then a file, then settings, later ones winning.

    Args:
        name: A shipped config ("demo", "paper", ...) or a YAML file; None for the defaults alone.
        **settings: Any config key, with values as in YAML: `method=["baseline", "grl"], epochs=3`.

    Raises:
        UsageError: there is no such config or key, or a value does not fit.
    """
    return load_config(name, settings)


@dataclass(frozen=True)
class Plan:
    """The parts of a study.

    Args:
        dataset: Name of the data set.
        runs: The runs of the matrix.
        first: GANs and other runs that they need, done or not.
        steps: What follows the runs: name and seconds that it should take, NaN where it was never carried out.
        left: Seconds that unfinished runs and GANs should take; NaN where no finished one tells.
    """

    dataset: str
    runs: list[Run]
    first: list[Prerequisite]
    steps: list[tuple[str, float]]
    left: float

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each run, prerequisite and step."""
        rows: list[tuple[object, ...]] = []
        for run in self.runs:
            seconds = run.record.seconds if (status := run.status) == "done" else math.nan
            axes = (run.method, run.holdout, run.patient_fold, run.seed)
            rows.append(("run", run.title, *axes, status, seconds, str(run.folder)))
        no_axes = (math.nan,) * 4
        for each in self.first:
            kind = "run" if each.is_run else "gans"
            rows.append((kind, each.title, *no_axes, each.status, each.seconds, each.folder))
        rows += [("step", name, *no_axes, "", seconds, math.nan) for name, seconds in self.steps]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"patient_fold": "Int64", "seed": "Int64"})


def plan(config: Config, workspace: Workspace, *, steps: Sequence[str] = (), name: str = "") -> Plan:
    """Return what a config asks for, and how far it is; nothing is trained.

    Args:
        config: The config.
        workspace: Where its data and runs lie.
        steps: Names of the steps that follow the runs.
        name: Name of the config, to find how long its steps took.

    Raises:
        UsageError: something was asked for that does not exist.
    """
    prepared = dataset_of(config, workspace)
    runs = plan_matrix(config, prepared, workspace)
    planned = {str(run.folder) for run in runs}
    first = [each for each in prerequisites(runs, prepared) if each.folder not in planned]
    taken = StepTimes.of(workspace, prepared.name, name)
    estimates = [(step, taken.estimate(step, len(runs))) for step in steps]
    of_runs = estimated_seconds(runs) if any(run.status != "done" for run in runs) else 0.0
    left = (math.nan if of_runs is None else of_runs) + _seconds_of(first)
    return Plan(prepared.name, runs, first, estimates, left)


def dataset_of(config: Config, workspace: Workspace) -> Dataset:
    """Return the prepared data set of a config: the one it names, or the only one.

    Raises:
        UsageError: there is none of that name, or several and none was named.
    """
    return open_dataset(workspace.data(workspace.choose_dataset(config.settings.dataset)))


def _seconds_of(first: Sequence[Prerequisite]) -> float:
    """Return the time that unfinished prerequisites should take, judged by finished ones of their kind."""
    total = 0.0
    for is_run in (True, False):
        kind = [each for each in first if each.is_run == is_run]
        spent = [each.seconds for each in kind if not math.isnan(each.seconds)]
        left = sum(each.status != "done" for each in kind)
        if left:
            total += statistics.median(spent) * left if spent else math.nan
    return total


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
    prepared = dataset_of(config, workspace)
    runs = plan_matrix(config, prepared, workspace)
    unfinished = [run for run in runs if run.status != "done"]
    needed = sum(each.is_run for each in missing_prerequisites(runs, prepared))
    store = MlflowRuns(workspace, lambda text: observer.note(f"Not logged to MLflow. {text}.")) if mlflow else None
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
        for run in outcome.skipped:  # done before, perhaps without a log
            store.log(run)
        observer.note(
            f"MLflow at {store.store.uri}: {counted(store.logged, 'run')} logged, {store.known} logged before, "
            f"{store.failed} not logged."
        )
    observer.matrix_done()
    return Trained(prepared.name, runs, outcome.failed, workers.is_chief, store is None or not store.failed)


def _workers(config: Config, anything_to_do: bool, observer: Observer) -> Workers:
    """Set TensorFlow up and return the processes that train together."""
    load_tensorflow()  # its settings come first, even where runs are only looked at
    if not anything_to_do and config.settings.strategy != "multiworker":
        return ALONE
    configure_tensorflow(config.settings)
    return join_workers(config.settings.strategy, observer.note)


@dataclass(frozen=True)
class TrainedGans:
    """The GANs of folds.

    Args:
        done: Finished folds and their `fold.json`.
        failed: Folds that failed, or runs whose fold has too few images, and their errors.
    """

    done: list[tuple[FoldGans, dict[str, Any]]] = field(default_factory=list)
    failed: list[tuple[FoldGans | Run, str]] = field(default_factory=list)

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
        NotWrittenError: `csv_path` cannot be written; the GANs are trained.
        WorkerLost: another process of this training has ended.
    """
    prepared = with_images(dataset_of(config, workspace))
    folds, trained = [], TrainedGans()
    runs = plan_matrix(config, prepared, workspace)
    for run in runs:
        options = run.config.options["gan"]
        assert isinstance(options, GanOptions)  # the registry lets no other method take the name
        if run.seed != config.settings.seed[0]:  # every seed of the classifier shares the GANs
            continue
        try:
            folds.append(needed_gans(run, FoldGansNeeded(options), prepared))
        except DataError as error:  # this fold has too few images, others may have enough
            if len(runs) == 1:
                raise
            trained.failed.append((run, str(error)))
            observer.note(f"Failed: {run.title}. {error}")
    unfinished = [fold for fold in folds if fold_status(fold) != "done"]
    each = f" of {len(folds[0].parts)} GANs each" if folds else ""
    observer.note(
        f"Data set {prepared.name}: {counted(len(folds), 'fold')}{each}, "
        f"{len(folds) - len(unfinished)} of them done before."
    )
    workers = _workers(config, bool(unfinished), observer)
    from magsig_tf.gan.study import ensure_fold

    def work(fold: FoldGans) -> None:
        try:
            trained.done.append((fold, ensure_fold(fold, prepared, config.settings, observer, workers)))
        except (UsageError, WorkerLost):
            raise
        except Exception as error:
            if isinstance(error, HeldError) and workers.count == 1:
                raise
            if not isinstance(error, MagsigError) and (len(folds) == 1 or workers.count > 1):
                raise
            said = in_words(error)
            trained.failed.append((fold, said))
            observer.note(f"Failed: {fold.title}. {said}")

    take_turns(folds, work, observer.note)
    if trained.done:
        try:
            write_frame(trained.frame, Path(), "", csv_path)
        except MagsigError as error:
            raise NotWrittenError(error, trained) from error
    return trained


def quality_of(fold: FoldGans) -> pd.DataFrame:
    """Return the quality table of a finished fold."""
    return read_parquet(fold.folder / "quality.parquet")
