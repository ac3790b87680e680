"""`magsig reproduce`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.config_options import ConfigCommand, GivenConfig
from magsig_tf.cli.numbers import as_records
from magsig_tf.cli.options import mlflow_option, numbers_options, workspace_option
from magsig_tf.cli.prepare import prepare_where_missing
from magsig_tf.cli.progress import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.planning import Plan
    from magsig_tf.workspace import Workspace

STEPS = workflows.STEPS


@click.command(cls=ConfigCommand, config_required=True)
@click.option(
    "--until",
    type=click.Choice(STEPS),
    default=STEPS[-1],
    show_default=True,
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
    prepare_where_missing(config.settings.dataset, workspace)
    name = Path(given.name or "").stem
    if dry_run:
        steps = STEPS[: STEPS.index(until) + 1]
        _print_plan(workflows.plan(config, workspace, steps=steps, name=name), chosen["csv_path"], as_json)
        return
    from magsig_tf.cli.training_display import TrainingDisplay

    chosen["until"] = STEPS[0] if as_json else until  # one JSON document; the other commands have --json of their own
    shown = partial(_print_step, as_json=as_json)
    with TrainingDisplay() as display:
        study = workflows.reproduce(
            config, workspace, name, **chosen, observer=display, progress=progress_bar, step_done=shown
        )
    if not study.trained.complete:
        raise SystemExit(1)


def _print_plan(plan: Plan, csv_path: Path | None, as_json: bool) -> None:
    from magsig_tf.cli.listing import print_plan
    from magsig_tf.report.terminal.render import output_console
    from magsig_tf.runs.result_files import write_frame

    write_frame(plan.frame, Path(), "", csv_path)
    if as_json:
        click.echo(as_records(plan.frame))
    else:
        print_plan(plan, output_console())


def _print_step(step: str, result: Any, *, as_json: bool) -> None:
    """Print what a step returned, as the command of its name does."""
    from magsig_tf.cli.claims import print_judged
    from magsig_tf.cli.evaluate import print_evaluated
    from magsig_tf.cli.probe import print_probed
    from magsig_tf.cli.signatures import print_signature_study

    if step == STEPS[0]:
        print_evaluated(result, as_json=as_json)
        return
    click.echo()
    drawn: dict[str, Callable[[Any], None]] = {
        "signatures": print_signature_study,
        "probe": print_probed,
        "claims": print_judged,
        "report": lambda report: click.echo(f"Report: {report.page}"),
    }
    drawn[step](result)
