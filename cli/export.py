"""`magsig export`: a finished run as a SavedModel that other programs can call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import print_lines
from magsig_tf.cli.options import FOLDER, dataset_option, json_option, workspace_option
from magsig_tf.cli.progress import waiting
from magsig_tf.statistics_rule import MARK, MEANING, MOVING

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run
    from magsig_tf.serving.exporting.export import Export


@click.command()
@workspace_option
@dataset_option
@click.option("--method", help="Export the best seed of this method, by validation loss.")
@click.option("--holdout", help="The magnification that was left out.")
@click.option("--patient-fold", type=click.IntRange(0), default=0, show_default=True, help="The tested patient fold.")
@click.option("--config-hash", help="First digits of the config's hash, where the method has several.")
@click.option("--run", "run_folder", type=FOLDER, help="Export this run's folder instead.")
@click.option("--name", help="Name of the model.  [default: METHOD-HOLDOUT in lower case]")
@click.option("--with-signature", is_flag=True, help="Serve the run's sparse signature beside the label head.")
@click.option("--temperature", is_flag=True, help="Fit a temperature on source validation and serve with it.")
@click.option(
    "--output", type=FOLDER, default=Path("saved_models"), show_default=True, help="Folder of all exported models."
)
@json_option
def export(as_json: bool, **chosen: Any) -> None:
    """Write a finished run as a SavedModel that TensorFlow Serving and other programs can call.

    The next version of saved_models/NAME/ takes pixels or encoded images of any size. It is loaded again in a process
    that has TensorFlow alone and must give the run's predictions for its test images; otherwise it is removed.

    \b
    magsig export --method grl --holdout 400X
    magsig export --method grl --holdout 400X --with-signature --temperature
    magsig export --run workspace/runs/phantom/grl/400X/fold0-seed0-1a2b3c4d --name grl-400x
    """
    exported = workflows.export(**chosen, progress=waiting)
    if as_json:
        click.echo(json.dumps({"folder": str(exported.folder), **exported.export.facts}))
        return
    from magsig_tf.report.terminal.render import output_console

    written = exported.export
    lines = [*_of_run(written.facts, exported.seeds), *_of_model(written), *_of_check(written)]
    print_lines(output_console(), [*lines, f"Written: {written.folder}"])


def _of_run(facts: dict[str, Any], seeds: list[Run]) -> list[str]:
    from magsig_tf.workflows.chosen_run import validation_loss

    said = [f"{facts['name']} version {facts['version']}: {facts['run']}"]
    if seeds:
        losses = ", ".join(f"seed {run.seed} {validation_loss(run):.4f}" for run in seeds)
        said.append(f"Chosen by validation loss, of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}: {losses}.")
    if facts.get("selection") == "oracle":
        said.append("Oracle: its epoch was chosen by looking at the holdout.")
    if facts["batch_statistics"] == MOVING:
        said.append(f"{MARK.capitalize()}: {MEANING}.")
    return said


def _of_model(exported: Export) -> list[str]:
    facts, said = exported.facts, []
    if exported.temperature is not None:
        fit = exported.temperature
        said.append(
            f"Temperature {fit.value:.3f}, fitted on {fit.images} source validation images: log-loss "
            f"{fit.log_loss_before:.4f} to {fit.log_loss_after:.4f}{' (at the edge of what is tried)' * fit.at_edge}."
        )
    if facts["signature"] is not None:
        said.append(f"Signature: {facts['signature']['size']} of {facts['signature']['dimensions']} dimensions.")
    return said


def _of_check(exported: Export) -> list[str]:
    checked = exported.checked
    words = ", ".join(f"{name} {value:.1e}" for name, value in checked.differences.items())
    said = [
        f"Checked without magsig on {checked.images} test images. Largest difference to the run: {words}; "
        f"allowed {checked.tolerance:g} ({exported.facts['precision']})."
    ]
    if checked.native_files:
        said.append(
            f"On {checked.native_files} original files: pixels differ by up to {checked.native_levels:.0f} of 255, "
            f"probabilities by up to {checked.native_probability:.1e}."
        )
    else:
        said.append(f"Original files were not compared: {checked.native_absent}.")
    return said
