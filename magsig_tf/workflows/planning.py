"""What a config asks for: its runs, what is trained before them, how far all of it is, and how long the rest takes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from magsig_tf.config import Config
from magsig_tf.config_files import load_config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.workflows.step_times import StepTimes
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run
    from magsig_tf.training.planning import Prerequisite

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
        rows = [_run_row(run) for run in self.runs]
        rows += [
            {"kind": "run" if each.is_run else "gans", "title": each.title, "state": each.status}
            | {"seconds": each.seconds, "folder": each.folder}
            for each in self.first
        ]
        rows += [{"kind": "step", "title": name, "state": "", "seconds": seconds} for name, seconds in self.steps]
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
    from magsig_tf.training.planning import estimated_seconds, plan_matrix, prerequisites

    prepared = dataset_of(config, workspace)
    runs = plan_matrix(config, prepared, workspace)
    planned = {str(run.folder) for run in runs}
    first = [each for each in prerequisites(runs, prepared) if each.folder not in planned]
    taken = StepTimes.of(workspace, prepared.name, name)
    estimates = [(step, taken.estimate(step, len(runs))) for step in steps]
    of_runs = estimated_seconds(runs) if any(run.status != "done" for run in runs) else 0.0
    left = (math.nan if of_runs is None else of_runs) + _seconds_of(first)
    return Plan(prepared.name, runs, first, estimates, left)


def dataset_of(config: Config, workspace: Workspace) -> PreparedDataset:
    """Return the prepared data set of a config: the one it names, or the only one.

    Raises:
        UsageError: there is none of that name, or several and none was named.
    """
    return PreparedDataset.open(workspace.data(workspace.choose_dataset(config.settings.dataset)))


def _run_row(run: Run) -> dict[str, object]:
    """Return a run of a plan as a row of its frame."""
    status = run.status
    axes = {"method": run.method, "holdout": run.holdout, "patient_fold": run.patient_fold, "seed": run.seed}
    seconds = run.record.seconds if status == "done" else math.nan
    return {"kind": "run", "title": run.title, **axes, "state": status, "seconds": seconds, "folder": str(run.folder)}


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
