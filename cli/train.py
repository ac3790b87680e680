"""`magsig train`."""

from __future__ import annotations

import click

from magsig_tf.cli.config_options import ConfigCommand
from magsig_tf.cli.options import json_option, workspace_option


@click.command(cls=ConfigCommand)
@click.option(
    "--config", "config_name", help="A shipped config (baseline, demo, grl, paper, paper_lite0) or a YAML file."
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set any config key; values are YAML.")
@workspace_option
@json_option
def train(config_name, assignments, workspace, as_json, **keys):
    """Train runs: every method x holdout x patient fold x seed asked for.

    A run that is done is skipped; one that was interrupted goes on from its last checkpoint, to the same weights as if
    nothing had happened. Settings come from the defaults, then --config, then --set and the options below.

    \b
    magsig train --method grl --holdout 400X
    magsig train --method baseline grl --holdout all --patient-fold all --seed 0 1 2
    magsig train --config paper --set lambda_max=0.3
    """
    from magsig_tf.cli.config_options import given_keys
    from magsig_tf.cli.matrix import train_matrix
    from magsig_tf.config_files import load_config, parse_assignments

    config = load_config(config_name, parse_assignments(assignments), given_keys(keys))
    train_matrix(config, workspace, as_json=as_json)
