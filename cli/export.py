"""`magsig export`: a finished run as a model that other programs can call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FOLDER, dataset_option, json_option, option_with_default, workspace_option
from magsig_tf.cli.output import print_lines, waiting
from magsig_tf.statistics_rule import MARK, MEANING, MOVING

if TYPE_CHECKING:
    from magsig_tf.workflows.exporting import Exported


@click.command()
@workspace_option
@dataset_option
@click.option("--method", help="Export the best seed of this method, by validation loss.")
@click.option("--holdout", help="The magnification that was left out.")
@option_with_default("--patient-fold", type=click.IntRange(0), default=0, help="The tested patient fold.")
@click.option("--config-hash", help="First digits of the config's hash, where the method has several.")
@click.option("--run", "run_folder", type=FOLDER, help="Export this run's folder instead.")
@click.option("--name", help="Name of the model.  [default: METHOD-HOLDOUT in lower case]")
@click.option("--with-signature", is_flag=True, help="Serve the run's sparse signature beside the label head.")
@click.option("--temperature", is_flag=True, help="Fit a temperature on source validation and serve with it.")
@click.option(
    "--takes", type=click.Choice(["images", "embeddings"]),
    help="Of a run on embeddings: images in, with the encoder inside, or embeddings in.  "
    "[default: images where the encoder is known]",
)  # fmt: skip
@option_with_default("--output", type=FOLDER, default=Path("saved_models"), help="Folder of all exported models.")
@json_option
def export(as_json: bool, **chosen: Any) -> None:
    """Write a finished run as a SavedModel that TensorFlow Serving and other programs can call.

    The next version of saved_models/NAME/ takes pixels or encoded images of any size; that of a run on embeddings whose
    encoder is not known takes embeddings. It is loaded again in a process that has TensorFlow alone and must give the
    run's predictions for its test images; otherwise it is removed.

    \b
    magsig export --method grl --holdout 400X
    magsig export --method grl --holdout 400X --with-signature --temperature
    magsig export --dataset uni --method erasure --holdout 400X
    magsig export --run workspace/runs/phantom/grl/400X/fold0-seed0-1a2b3c4d --name grl-400x
    """
    exported = workflows.export(**chosen, progress=waiting)
    if as_json:
        click.echo(json.dumps({"folder": str(exported.folder), **exported.export.facts}))
    else:
        print_lines(_lines_of_export(exported))


def _lines_of_export(exported: Exported) -> Iterator[str]:
    from magsig_tf.workflows.exported_run import validation_loss

    facts, checked, fit = exported.export.facts, exported.export.checked, exported.export.temperature
    of_images = facts["takes"] == "images"
    takes = "images of any size" if of_images else f"embeddings of {facts['input_length']:,} numbers"
    yield f"{facts['name']} version {facts['version']}: {facts['run']}"
    yield f"Takes {takes}{f' ({exported.remark})' if exported.remark else ''}."
    if (seeds := exported.seeds) and not seeds[0].seedless:
        losses = ", ".join(f"seed {run.seed} {validation_loss(run):.4f}" for run in seeds)
        yield f"Chosen by validation loss, of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}: {losses}."
    if facts.get("selection") == "oracle":
        yield "Oracle: its epoch was chosen by looking at the holdout."
    if facts["batch_statistics"] == MOVING:
        yield f"{MARK.capitalize()}: {MEANING}."
    if fit is not None and fit.value is not None:
        yield (
            f"Temperature {fit.value:.3f}, fitted on {fit.images} source validation images: log-loss "
            f"{fit.log_loss_before:.4f} to {fit.log_loss_after:.4f}."
        )
    elif fit is not None:
        yield f"No temperature fits: {fit.reason}. Probabilities are served as trained."
    if facts["signature"] is not None:
        yield f"Signature: {facts['signature']['size']} of {facts['signature']['dimensions']} dimensions."
    words = ", ".join(f"{name} {value:.1e}" for name, value in checked.differences.items())
    yield (
        f"Checked without magsig on {checked.images} test images. Largest difference to the run: {words}; "
        f"allowed {checked.tolerance:g} ({facts['precision']})."
    )
    if checked.native_files:
        yield (
            f"On {checked.native_files} original files: pixels differ by up to {checked.native_levels:.0f} of 255, "
            f"probabilities by up to {checked.native_probability:.1e}."
        )
    elif of_images:
        yield f"Original files were not compared: {checked.native_absent}."
    if checked.native_refused:
        yield (
            f"{checked.native_refused} original files are refused as image_bytes by a server (turned, not in sRGB, or "
            "of 16 bits of which not all are used); `magsig predict` reads them as `magsig prepare` does."
        )
    yield f"Written: {exported.folder}"
