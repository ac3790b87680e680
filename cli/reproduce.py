"""`magsig reproduce`: a whole study, or with --dry-run its plan."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.claims import print_judged
from magsig_tf.cli.evaluate import print_evaluated
from magsig_tf.cli.options import (
    ConfigCommand,
    GivenConfig,
    mlflow_option,
    numbers_options,
    option_with_default,
    workspace_option,
)
from magsig_tf.cli.output import as_records, output_console, preparation_bar, print_lines, progress_bar, say
from magsig_tf.cli.probe import print_probed
from magsig_tf.cli.signatures import print_signature_study
from magsig_tf.workflows.step_times import STEPS, counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from magsig_tf.workflows.training import Plan
    from magsig_tf.workspace import Workspace


@click.command(cls=ConfigCommand, config_required=True)
@option_with_default(
    "--until",
    type=click.Choice(STEPS),
    default=STEPS[-1],
    help="Last step: the runs and their numbers, signatures, probes, the paper's claims, or the report.",
)
@click.option(
    "--dry-run", is_flag=True, help="List runs, GANs and steps, estimate the time from finished ones; train nothing."
)
@mlflow_option
@workspace_option
@numbers_options
def reproduce(
    given: GivenConfig, until: str, dry_run: bool, workspace: Workspace, as_json: bool, **chosen: Any
) -> None:
    """Carry out a whole study: the runs, the tables, the report. Repeat it to continue after an interruption.

    A data set that needs no download (the phantom) is prepared first where it is missing, by --dry-run too. The tables
    cover this config's runs; their numbers go to results/DATASET/summary-CONFIG.csv and .parquet. With --json only the
    summary is calculated and printed; --csv writes the summary. With --dry-run both hold the list of runs.

    \b
    magsig reproduce --config demo
    magsig reproduce --config paper --dry-run
    """
    config = given.load()
    prepared = workflows.prepare_without_source(config.settings.dataset, workspace, progress=preparation_bar)
    if prepared:
        say(f"prepared {prepared.dataset.name} in {prepared.seconds:.1f} s: {prepared.dataset.folder}", err=True)
    name = Path(given.name or "").stem
    if dry_run:
        from magsig_tf.runs.result_files import write_frame

        steps = STEPS[: STEPS.index(until) + 1]
        plan = workflows.plan(config, workspace, steps=steps, name=name)
        if as_json:
            click.echo(as_records(plan.frame))
        else:
            print_plan(plan, output_console())
        write_frame(plan.frame, Path(), "", chosen["csv_path"])
        return
    from magsig_tf.cli.training_display import TrainingDisplay

    chosen["until"] = STEPS[0] if as_json else until  # one JSON document; the other commands have --json of their own
    shown = partial(_print_step, as_json=as_json)
    with TrainingDisplay() as display:
        chosen |= {"observer": display, "progress": progress_bar, "step_done": shown}
        study = workflows.reproduce(config, workspace, name, **chosen)
    if not study.trained.complete:
        raise SystemExit(1)


def print_plan(plan: Plan, console: Console) -> None:
    """Print the parts of a study, their state, and the time that the unfinished ones should take.

    Args:
        plan: What to print.
        console: Where to.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    title = f"{counted(len(plan.runs), 'run')} on {plan.dataset}"
    columns = ("method", "holdout", "patient fold", "seed", "state", Column("time", justify="right"))
    style: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False, "show_edge": False}
    table = Table(*columns, title=title, title_justify="left", **style)
    for row in plan.frame.head(len(plan.runs)).to_dict("records"):  # below them: what they need, and steps
        axes = (str(row[name]) for name in ("method", "holdout", "patient_fold", "seed", "state"))
        table.add_row(*axes, "" if math.isnan(row["seconds"]) else duration(row["seconds"]))
    console.print(table)
    print_lines(_lines(plan), console)


def _lines(plan: Plan) -> list[str]:
    lines = [
        f"Trained first: {each.title} ({each.status})"
        if math.isnan(each.seconds)
        else f"Needed, and there: {each.title} ({each.status}, {duration(each.seconds)})"
        for each in plan.first
    ]
    known = [f"{name}{'' if math.isnan(seconds) else f' (about {duration(seconds)})'}" for name, seconds in plan.steps]
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


def _print_step(step: str, result: Any, *, as_json: bool) -> None:
    """Print what a step returned, as the command of its name does."""
    if step == STEPS[0]:
        print_evaluated(result, as_json=as_json)
        return
    say()
    if step == "report" and result.figures:
        say(f"Report: {result.page}")
    elif step != "report":
        {"signatures": print_signature_study, "probe": print_probed, "claims": print_judged}[step](result)
