"""`magsig reproduce`."""

from __future__ import annotations

from pathlib import Path

import click

from magsig_tf.cli.config_options import ConfigCommand
from magsig_tf.cli.options import json_option, workspace_option

STEPS = ("evaluate", "signatures", "probe")


@click.command(cls=ConfigCommand)
@click.option("--config", "config_name", required=True, help="A shipped config (demo, paper, ...) or a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set any config key; values are YAML.")
@click.option(
    "--until",
    type=click.Choice(STEPS),
    default=STEPS[-1],
    show_default=True,
    help="Last step: the runs and their numbers, then signatures with holdouts compared, then probes.",
)
@click.option("--dry-run", is_flag=True, help="List the runs and estimate the time from finished ones; train nothing.")
@workspace_option
@json_option
def reproduce(config_name, assignments, until, dry_run, workspace, as_json, **keys):
    """Carry out a whole study: the matrix of runs, then the tables. Repeat it to go on after an interruption.

    A data set that needs no download (the phantom) is prepared first where it is missing, by --dry-run too. The tables
    are of this config's runs; their numbers go to results/DATASET/summary-CONFIG.csv and .parquet.

    \b
    magsig reproduce --config demo
    magsig reproduce --config paper --dry-run
    """
    from magsig_tf.cli.config_options import given_keys
    from magsig_tf.cli.evaluate import print_evaluation
    from magsig_tf.cli.matrix import list_matrix, train_matrix
    from magsig_tf.cli.prepare import prepare_without_source
    from magsig_tf.cli.probe import print_study as print_probes
    from magsig_tf.cli.probe import study_of_runs
    from magsig_tf.cli.signatures import print_study as print_signatures
    from magsig_tf.cli.signatures import sources_of_finished_runs
    from magsig_tf.config_files import load_config, parse_assignments

    config = load_config(config_name, parse_assignments(assignments), given_keys(keys))
    prepare_without_source(config.settings.dataset, workspace)
    if dry_run:
        list_matrix(config, workspace)
        return
    folders = {run.folder for run in train_matrix(config, workspace)}
    dataset, name = workspace.choose_dataset(config.settings.dataset), Path(config_name).stem
    print_evaluation(workspace, dataset, folders=folders, name=f"summary-{name}", as_json=as_json)
    if as_json:
        return  # one document; the other commands have --json of their own
    if until != "evaluate":
        sources, missing = sources_of_finished_runs(workspace, dataset, folders=folders)
        click.echo()
        print_signatures(workspace, dataset, sources, missing, compare_folds=True, chosen=name)
    if until == "probe":
        study = study_of_runs(workspace, dataset, folders=folders)
        click.echo()
        print_probes(study, workspace.results() / dataset, f"probes-{name}")
