"""The matrix of runs that a config asks for: planned in one place, carried out one after another, resumable."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import MagsigError, UsageError, nearest
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.registry import registry
from magsig_tf.runs.record import RunRecord
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace


def plan_matrix(config: Config, prepared: PreparedDataset, workspace: Workspace) -> list[Run]:
    """Return the runs of a config: every holdout x patient fold x seed x method, methods innermost.

    Methods are innermost so that an interrupted matrix holds complete comparisons.

    Raises:
        UsageError: a holdout is not in the data, or a patient fold or the encoder does not exist.
    """
    s = config.settings
    if ":" not in s.encoder:
        registry("encoders").find(s.encoder)  # a mistake is reported before the first folder is made
    present = s.magnifications or prepared.magnifications
    for name in s.holdout:
        if name != "all" and name not in present:
            raise UsageError("Expected a holdout among the magnifications", f"found {name!r}", nearest(name, present))
    holdouts = list(present) if "all" in s.holdout else list(s.holdout)
    named = [fold for fold in s.patient_fold if fold != "all"]
    folds = list(range(s.folds)) if "all" in s.patient_fold else named
    for fold in folds:
        if not 0 <= fold < s.folds:
            raise UsageError(f"Expected patient folds from 0 to {s.folds - 1}", f"found {fold}", "Choose among them")
    return [
        Run.of(
            workspace,
            config.for_run(dataset=prepared.name, method=method, holdout=holdout, patient_fold=fold, seed=seed),
        )
        for seed in s.seed
        for fold in folds
        for holdout in holdouts
        for method in s.method
    ]


@dataclass
class MatrixOutcome:
    """What became of a matrix.

    Args:
        done: Runs trained now.
        skipped: Runs that were done before.
        failed: Runs and their errors.
    """

    done: list[Run]
    skipped: list[Run]
    failed: list[tuple[Run, str]]


def execute_matrix(
    runs: Sequence[Run],
    prepared: PreparedDataset,
    observer: Observer,
    finished: Callable[[Run, RunRecord], None] = lambda run, record: None,
    workers: Workers = ALONE,
) -> MatrixOutcome:
    """Carry out runs one after another; one that fails is reported and the others go on.

    Args:
        runs: From `plan_matrix`.
        prepared: The data.
        observer: Who watches each run.
        finished: Called after each run with its record.
        workers: The processes that train each run together.

    Raises:
        WorkerLost: another process has ended; this one can train nothing more.
    """
    outcome = MatrixOutcome([], [], [])
    done = workers.from_chief(lambda: [run.status == "done" for run in runs])
    for run, done_before in zip(runs, done, strict=True):
        if done_before:
            execute(run, prepared, observer, workers)  # checks that data and split are still the same
            outcome.skipped.append(run)
            continue
        try:
            record = execute(run, prepared, observer, workers)
        except (UsageError, WorkerLost):
            raise
        except MagsigError as error:
            outcome.failed.append((run, str(error)))
            observer.note(f"Failed: {run.title}. {error}")
            continue
        outcome.done.append(run)
        finished(run, record)
    return outcome


def estimated_seconds(runs: Sequence[Run]) -> float | None:
    """Return the time that the unfinished runs should take, judged by the finished ones; None where none is.

    A run counts as the median of the finished ones of its method, or of all where there are none of it.
    """
    spent: dict[str, list[float]] = {}
    for run in runs:
        if run.status == "done":
            spent.setdefault(run.method, []).append(run.record.seconds)
    if not spent:
        return None
    overall = statistics.median([seconds for each in spent.values() for seconds in each])
    medians = {method: statistics.median(each) for method, each in spent.items()}
    return sum(medians.get(run.method, overall) for run in runs if run.status != "done")
