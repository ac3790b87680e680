"""A whole study: data that needs no download, the matrix of runs, and the tables and the report that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from magsig_tf.config import Config
from magsig_tf.execution.observer import Observer
from magsig_tf.workflows.embeddings import probe, signatures
from magsig_tf.workflows.evaluation import claims, evaluate
from magsig_tf.workflows.finished_runs import NotWrittenError, Progress, silent
from magsig_tf.workflows.preparation import prepare_without_source
from magsig_tf.workflows.reporting import report
from magsig_tf.workflows.step_times import STEPS, StepTimes
from magsig_tf.workflows.training import SILENT, Trained, train
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Reproduced:
    """A study that was carried out.

    Args:
        trained: Its runs.
        results: What each step that was carried out returned, by its name.
    """

    trained: Trained
    results: dict[str, Any] = field(default_factory=dict)


def reproduce(
    config: Config,
    workspace: Workspace,
    name: str,
    *,
    until: str = STEPS[-1],
    mlflow: bool = False,
    csv_path: Path | None = None,
    observer: Observer = SILENT,
    progress: Progress = silent,
    step_done: Callable[[str, Any], None] = lambda step, result: None,
) -> Reproduced:
    """Carry out a study; repeated after an interruption it goes on.

    Args:
        config: The config of the matrix.
        workspace: Where data, runs and results lie.
        name: Of the study; the result files of its runs end in it.
        until: The last step, one of `STEPS`.
        mlflow: Whether to log finished runs to MLflow.
        csv_path: Another place for the CSV of the summary.
        observer: Who watches the training.
        progress: Told how far each step after the training is.
        step_done: Called after each step with its name and what it returned, also where that cannot be written.

    Raises:
        UsageError: something was asked for that does not exist; nothing was trained.
        MagsigError: a step cannot be carried out.
    """
    prepare_without_source(config.settings.dataset, workspace)
    trained = train(config, workspace, mlflow=mlflow, observer=observer)
    reproduced = Reproduced(trained)
    if not (trained.is_chief and trained.done):
        return reproduced
    common: dict[str, Any] = {"folders": trained.folders, "name": name, "progress": progress}
    margin = config.settings.equivalence_margin
    calls: dict[str, Callable[..., Any]] = {
        "evaluate": partial(evaluate, csv_path=csv_path),
        "signatures": partial(signatures, compare_folds=True),
        "probe": probe,
        "claims": partial(claims, margin=margin),
        "report": partial(report, margin=margin),
    }
    times = StepTimes.of(workspace, trained.dataset, name)
    for step in STEPS[: STEPS.index(until) + 1]:
        try:
            with times.measuring(step, len(trained.done)):
                reproduced.results[step] = calls[step](workspace, trained.dataset, **common)
        except NotWrittenError as error:
            step_done(step, error.result)
            raise
        step_done(step, reproduced.results[step])
    return reproduced
