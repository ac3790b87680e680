"""`magsig export`: a finished run as a SavedModel that other programs can call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.options import json_option, workspace_option
from magsig_tf.errors import UsageError
from magsig_tf.statistics_rule import MARK, MEANING, MOVING
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.serving.exporting.export import Export


@click.command()
@workspace_option
@click.option("--dataset", help="Data set; the only one with runs if not given.")
@click.option("--method", help="Export the best seed of this method, by validation loss.")
@click.option("--holdout", help="The magnification that was left out.")
@click.option("--patient-fold", type=click.IntRange(0), default=0, show_default=True, help="The tested patient fold.")
@click.option("--config-hash", help="First digits of the config's hash, where the method has several.")
@click.option(
    "--run", "run_folder", type=click.Path(file_okay=False, path_type=Path), help="Export this run's folder instead."
)
@click.option("--name", help="Name of the model.  [default: METHOD-HOLDOUT, in small letters]")
@click.option("--with-signature", is_flag=True, help="Serve the run's sparse signature beside the label head.")
@click.option("--temperature", is_flag=True, help="Fit a temperature on source validation and serve with it.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("saved_models"),
    show_default=True,
    help="Folder of all exported models.",
)
@json_option
def export(
    workspace: Workspace,
    dataset: str | None,
    method: str | None,
    holdout: str | None,
    patient_fold: int,
    config_hash: str | None,
    run_folder: Path | None,
    name: str | None,
    with_signature: bool,
    temperature: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Write a finished run as a SavedModel that TensorFlow Serving and other programs can call.

    The next version of saved_models/NAME/ takes pixels or encoded images of any size. It is loaded again in a process
    that has TensorFlow alone and must answer the run's test images as the run did; else nothing of it stays.

    \b
    magsig export --method grl --holdout 400X
    magsig export --method grl --holdout 400X --with-signature --temperature
    magsig export --run workspace/runs/phantom/grl/400X/fold0-seed0-1a2b3c4d --name grl-400x
    """
    folder, seeds = _chosen(workspace, dataset, method, holdout, patient_fold, config_hash, run_folder)
    exported = _exported(_workspace_of(folder, workspace), folder, name, output, with_signature, temperature)
    _print(exported, seeds, as_json)


def _workspace_of(folder: Path, workspace: Workspace) -> Workspace:
    """Return the workspace that a run lies in: WORKSPACE/runs/DATASET/METHOD/HOLDOUT/RUN."""
    above = folder.resolve().parents
    return Workspace(above[4]) if len(above) > 4 and above[3].name == "runs" else workspace


def _chosen(workspace, dataset, method, holdout, patient_fold, config_hash, run_folder) -> tuple[Path, list[dict]]:
    from magsig_tf.cli.finished_runs import choose_dataset
    from magsig_tf.workflows.chosen_run import choose_run

    if run_folder is not None:
        if method or holdout or config_hash or dataset:
            raise UsageError(
                "Expected either --run or a choice of runs", "found both", "Leave out --method, --holdout and the like"
            )
        return run_folder, []
    if not (method and holdout):
        raise UsageError(
            "Expected --method and --holdout, or --run",
            f"found {'only one of them' if method or holdout else 'none of them'}",
            "For example: magsig export --method grl --holdout 400X",
        )
    chosen = choose_dataset(workspace, dataset)
    return choose_run(workspace, chosen, method, holdout, patient_fold, config_hash)


def _exported(
    workspace: Workspace, folder: Path, name: str | None, output: Path, with_signature: bool, with_temperature: bool
) -> Export:
    from rich.console import Console

    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.tensorflow_import import load_tensorflow
    from magsig_tf.workflows.model_card import write_card
    from magsig_tf.workflows.run_signature import signature_of_run

    load_tensorflow()
    from magsig_tf.serving.exporting.export import export_run
    from magsig_tf.serving.exporting.finished_run import FinishedRun

    run = FinishedRun.open(folder)
    prepared = PreparedDataset.open(workspace.data(run.record["dataset"]))
    name = name or default_name(run.record)
    with Console(stderr=True).status(f"exporting {run.title}"):
        signature = signature_of_run(workspace, folder, run.record) if with_signature else None
        return export_run(
            run,
            prepared,
            root=output,
            name=name,
            signature=signature,
            with_temperature=with_temperature,
            write_card=lambda extra, version: write_card(extra, folder, name=name, version=version),
        )


def default_name(record: dict) -> str:
    """Return a model's name for a run: `grl-400x`, with the patient fold where it is not the first."""
    fold = f"-fold{record['patient_fold']}" if record["patient_fold"] else ""
    words = f"{record['method']}-{record['holdout']}{fold}".lower()
    return re.sub(r"[^a-z0-9._]+", "-", words).strip("-.") or "model"


def _print(exported: Export, seeds: list[dict], as_json: bool) -> None:
    import json

    from magsig_tf.report.terminal.summary import output_console

    if as_json:
        click.echo(json.dumps({"folder": str(exported.folder), **exported.facts}))
        return
    facts, console = exported.facts, output_console()
    for line in (*_of_run(facts, seeds), *_of_model(exported), *_of_check(exported)):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"Written: {exported.folder}", soft_wrap=True, markup=False)


def _of_run(facts: dict, seeds: list[dict]) -> list[str]:
    from magsig_tf.workflows.chosen_run import validation_loss

    said = [f"{facts['name']} version {facts['version']}: {facts['run']}"]
    if seeds:
        losses = ", ".join(f"seed {record['seed']} {validation_loss(record):.4f}" for record in seeds)
        said.append(f"Chosen by validation loss, of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}: {losses}.")
    if facts.get("selection") == "oracle":
        said.append("Oracle: its checkpoint was chosen by looking at the holdout.")
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
