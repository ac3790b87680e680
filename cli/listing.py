"""Prints a plan, as `magsig reproduce --dry-run` shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from magsig_tf.cli.numbers import print_lines
from magsig_tf.workflows.training import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.workflows.training import Plan


def print_plan(plan: Plan, console: Console) -> None:
    """Print the parts of a study, their state, and the time that the unfinished ones should take.

    Args:
        plan: What to print.
        console: Where to.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{counted(len(plan.runs), 'run')} on {plan.dataset}"
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for column in ("method", "holdout", "patient fold", "seed", "state", "time"):
        table.add_column(column, justify="right" if column == "time" else "left")
    for row in plan.frame.head(len(plan.runs)).to_dict("records"):  # below them: what they need, and steps
        axes = (str(row[name]) for name in ("method", "holdout", "patient_fold", "seed", "state"))
        table.add_row(*axes, _time(row["seconds"]))
    console.print(table)
    print_lines(console, _lines(plan))


def _lines(plan: Plan) -> list[str]:
    lines = [
        f"Trained first: {each.title} ({each.status})"
        if math.isnan(each.seconds)
        else f"Needed, and there: {each.title} ({each.status}, {duration(each.seconds)})"
        for each in plan.first
    ]
    known = [f"{name}{'' if math.isnan(seconds) else f' (about {_time(seconds)})'}" for name, seconds in plan.steps]
    lines += [f"Then: {', '.join(known)}"] if known else []
    if all(run.status == "done" for run in plan.runs):
        left = "All runs are finished."
    elif not math.isnan(plan.left):
        left = f"Unfinished runs and GANs should take about {duration(plan.left)}, judged by the finished ones."
    elif any(run.status == "done" for run in plan.runs):
        left = "Nothing of a kind that is needed is finished yet, so there is no estimate of the time."
    else:
        left = "No run is finished yet, so there is no estimate of the time."
    return [*lines, left]


def _time(seconds: float) -> str:
    return "" if math.isnan(seconds) else duration(seconds)
