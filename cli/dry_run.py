"""`magsig reproduce --dry-run`: what a study consists of, how far it is, and how long the rest should take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.matrix import duration
from magsig_tf.cli.step_times import StepTimes
from magsig_tf.config import Config
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from magsig_tf.runs.run import Run
    from magsig_tf.training.prerequisites import Prerequisite


@dataclass(frozen=True)
class Listing:
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
    steps: list[tuple[str, float]] = field(default_factory=list)
    left: float = math.nan

    def frame(self) -> pd.DataFrame:
        """Return one row for each run, prerequisite and step."""
        import pandas as pd

        rows = [_run_row(run) for run in self.runs]
        rows += [
            {"kind": "run" if each.is_run else "gans", "title": each.title, "state": each.status}
            | {"seconds": each.seconds, "folder": each.folder}
            for each in self.first
        ]
        rows += [{"kind": "step", "title": name, "state": "", "seconds": seconds} for name, seconds in self.steps]
        columns = ["kind", "title", "method", "holdout", "patient_fold", "seed", "state", "seconds", "folder"]
        return pd.DataFrame(rows, columns=columns).astype({"patient_fold": "Int64", "seed": "Int64"})


def list_study(config: Config, workspace: Workspace, steps: Sequence[str] = (), name: str = "") -> Listing:
    """Return what a config asks for, and how far it is.

    Args:
        config: The config.
        workspace: Where its data and runs lie.
        steps: Names of the steps that follow the runs.
        name: Name of the config, to find how long its steps took.
    """
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.training.matrix import estimated_seconds, plan_matrix
    from magsig_tf.training.prerequisites import prerequisites

    prepared = PreparedDataset.open(workspace.data(workspace.choose_dataset(config.settings.dataset)))
    runs = plan_matrix(config, prepared, workspace)
    planned = {str(run.folder) for run in runs}
    first = [each for each in prerequisites(runs, prepared) if each.folder not in planned]
    taken = StepTimes.of(workspace, prepared.name, name)
    estimates = [(step, taken.estimate(step, len(runs))) for step in steps]
    unfinished = [run for run in runs if run.status != "done"]
    of_runs = estimated_seconds(runs) if unfinished else 0.0
    left = (math.nan if of_runs is None else of_runs) + _seconds_of(first)
    return Listing(prepared.name, runs, first, estimates, left)


def print_listing(listing: Listing, csv_path: Path | None = None, as_json: bool = False) -> None:
    """Print the parts of a study, their state, and the time that the unfinished ones should take.

    Args:
        listing: What to print.
        csv_path: Also receives the frame.
        as_json: Print the frame as JSON records instead of the table.
    """
    from magsig_tf.runs.result_files import write_frame

    write_frame(listing.frame(), Path(), "", csv_path)
    if as_json:
        click.echo(listing.frame().to_json(orient="records", double_precision=15))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from magsig_tf.report.terminal.summary import output_console

    look = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False, "show_edge": False}
    table = Table(title=f"{len(listing.runs)} runs on {listing.dataset}", title_justify="left", **look)
    for column in ("method", "holdout", "patient fold", "seed", "state", "time"):
        table.add_column(column, justify="right" if column == "time" else "left")
    for run in listing.runs:
        row = _run_row(run)
        axes = (str(row[name]) for name in ("method", "holdout", "patient_fold", "seed", "state"))
        table.add_row(*axes, _time(row["seconds"]))
    console = output_console()
    console.print(table)
    for line in _lines(listing):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(listing: Listing) -> list[str]:
    lines = [
        f"Trained first: {each.title} ({each.status})"
        if math.isnan(each.seconds)
        else f"Needed, and there: {each.title} ({each.status}, {duration(each.seconds)})"
        for each in listing.first
    ]
    known = [f"{name}{'' if math.isnan(seconds) else f' (about {_time(seconds)})'}" for name, seconds in listing.steps]
    lines += [f"Then: {', '.join(known)}"] if known else []
    if all(run.status == "done" for run in listing.runs):
        left = "All runs are finished."
    elif not math.isnan(listing.left):
        left = f"Unfinished runs and GANs should take about {duration(listing.left)}, judged by the finished ones."
    elif any(run.status == "done" for run in listing.runs):
        left = "Nothing of a kind that is needed is finished yet, so there is no estimate of the time."
    else:
        left = "No run is finished yet, so there is no estimate of the time."
    return [*lines, left]


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


def _run_row(run: Run) -> dict[str, object]:
    settings, status = run.config.settings, run.status
    axes = {"method": settings.method[0], "holdout": settings.holdout[0]}
    axes |= {"patient_fold": settings.patient_fold[0], "seed": settings.seed[0]}
    seconds = run.record.seconds if status == "done" else math.nan
    return {"kind": "run", "title": run.title, **axes, "state": status, "seconds": seconds, "folder": str(run.folder)}


def _time(seconds: float) -> str:
    return "" if math.isnan(seconds) else duration(seconds)
