"""`magsig reproduce`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from magsig_tf.cli.config_options import ConfigCommand
from magsig_tf.cli.options import csv_option, json_option, mlflow_option, workspace_option
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Study:
    """The finished runs of a config, as the steps after training read them.

    Args:
        workspace: Where they lie.
        dataset: Name of the data set.
        folders: Folders of all runs of the config.
        name: Name of the config; result files carry it.
        margin: Differences up to this size count as equivalent.
        csv_path: Another place for the CSV of the summary.
        as_json: Print the summary as JSON instead of tables.
    """

    workspace: Workspace
    dataset: str
    folders: set[Path]
    name: str
    margin: float
    csv_path: Path | None = None
    as_json: bool = False


def _evaluate(study: Study) -> None:
    from magsig_tf.cli.evaluate import print_evaluation

    output = {"csv_path": study.csv_path, "as_json": study.as_json}
    print_evaluation(study.workspace, study.dataset, folders=study.folders, name=f"summary-{study.name}", **output)


def _signatures(study: Study) -> None:
    from magsig_tf.cli.signatures import print_study, sources_of_finished_runs

    sources, missing = sources_of_finished_runs(study.workspace, study.dataset, folders=study.folders)
    print_study(study.workspace, study.dataset, sources, missing, compare_folds=True, chosen=study.name)


def _probe(study: Study) -> None:
    from magsig_tf.cli.probe import print_study, study_of_runs

    probed = study_of_runs(study.workspace, study.dataset, folders=study.folders)
    print_study(probed, study.workspace.results() / study.dataset, f"probes-{study.name}")


def _claims(study: Study) -> None:
    from magsig_tf.cli.claims import print_claims_judged

    chosen = {"folders": study.folders, "margin": study.margin, "chosen": study.name}
    print_claims_judged(study.workspace, study.dataset, **chosen)


def _report(study: Study) -> None:
    from magsig_tf.cli.report import write_report

    written, _ = write_report(study.workspace, study.dataset, study.folders, study.name, margin=study.margin)
    click.echo(f"Report: {written.page}")


STEPS: dict[str, Callable[[Study], None]] = {
    "evaluate": _evaluate,
    "signatures": _signatures,
    "probe": _probe,
    "claims": _claims,
    "report": _report,
}
"""What follows the runs, in this order."""


@click.command(cls=ConfigCommand)
@click.option("--config", "config_name", required=True, help="A shipped config (demo, paper, ...) or a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set any config key; values are YAML.")
@click.option(
    "--until",
    type=click.Choice(list(STEPS)),
    default=list(STEPS)[-1],
    show_default=True,
    help="Last step: the runs and their numbers, signatures with holdouts compared, probes, the paper's claims, and "
    "the page with all of it.",
)
@click.option(
    "--dry-run", is_flag=True, help="List runs, GANs and steps, estimate the time from finished ones; train nothing."
)
@mlflow_option
@workspace_option
@csv_option
@json_option
def reproduce(config_name, assignments, until, dry_run, mlflow, workspace, csv_path, as_json, **keys):
    """Carry out a whole study: the matrix of runs, the tables, the report. Repeat it to resume after an interruption.

    A data set that needs no download (the phantom) is prepared first where it is missing, by --dry-run too. The tables
    cover this config's runs; their numbers go to results/DATASET/summary-CONFIG.csv and .parquet. With --json only the
    summary is calculated and printed; --csv writes the summary. With --dry-run both hold the list of runs.

    \b
    magsig reproduce --config demo
    magsig reproduce --config paper --dry-run
    """
    from magsig_tf.cli.config_options import given_keys
    from magsig_tf.cli.dry_run import list_study, print_listing
    from magsig_tf.cli.matrix import train_matrix
    from magsig_tf.cli.prepare import prepare_without_source
    from magsig_tf.config_files import load_config, parse_assignments

    config = load_config(config_name, parse_assignments(assignments), given_keys(keys))
    prepare_without_source(config.settings.dataset, workspace)
    name, steps = Path(config_name).stem, list(STEPS)[: list(STEPS).index(until) + 1]
    if dry_run:
        print_listing(list_study(config, workspace, steps, name), csv_path, as_json)
        return
    trained = train_matrix(config, workspace, mlflow=mlflow)
    if trained.is_chief and trained.done:
        folders = {run.folder for run in trained.runs}
        margin = config.settings.equivalence_margin
        study = Study(workspace, trained.dataset, folders, name, margin, csv_path, as_json)
        # one JSON document; the other commands have --json of their own
        _carry_out(study, steps[:1] if as_json else steps, len(trained.done))
    if trained.exit_code:
        raise SystemExit(trained.exit_code)


def _carry_out(study: Study, steps: list[str], runs: int) -> None:
    from magsig_tf.cli.step_times import StepTimes

    times = StepTimes.of(study.workspace, study.dataset, study.name)
    for place, step in enumerate(steps):
        if place:
            click.echo()
        with times.measuring(step, runs):
            STEPS[step](study)
