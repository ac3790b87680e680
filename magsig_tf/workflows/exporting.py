"""A finished run as a SavedModel with its card, checked against the run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import UsageError
from magsig_tf.workflows.chosen_run import choose_run
from magsig_tf.workflows.finished_runs import Progress, choose_dataset, silent
from magsig_tf.workflows.model_card import write_card
from magsig_tf.workflows.run_signature import signature_of_run
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run
    from magsig_tf.serving.exporting.export import Export


@dataclass(frozen=True)
class Exported:
    """A model that was written and checked.

    Args:
        export: The version: its folder, its facts, and what the check measured.
        seeds: The runs that it was chosen from, best first; empty where the run was named.
    """

    export: Export
    seeds: list[Run]

    @property
    def folder(self) -> Path:
        """Folder of the version."""
        return self.export.folder


def export(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    method: str | None = None,
    holdout: str | None = None,
    patient_fold: int = 0,
    config_hash: str | None = None,
    run_folder: Path | None = None,
    name: str | None = None,
    with_signature: bool = False,
    temperature: bool = False,
    output: Path = Path("saved_models"),
    progress: Progress = silent,
) -> Exported:
    """Write a finished run as the next version of a served model.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set; None takes the only one with runs.
        method: Export the best seed of this method, by validation loss.
        holdout: The magnification that was left out.
        patient_fold: Index of the tested patient fold.
        config_hash: First digits of the config's hash, where the method has several.
        run_folder: Export the run in this folder instead.
        name: Name of the model; made of method and holdout if not given.
        with_signature: Whether to serve the run's sparse signature beside the label head.
        temperature: Whether to fit a temperature on source validation and serve with it.
        output: Folder of all exported models.
        progress: Called with what is being exported.

    Raises:
        UsageError: runs are named in two ways or in none, or there is no such run.
        RunError: the run is not finished, its files are damaged, or its signature is not in the tables.
        DataError: the exported model does not answer as the run did; nothing of it stays.
    """
    from magsig_tf.tensorflow_import import load_tensorflow

    seeds: list[Run] = []
    if run_folder is None:
        if not (method and holdout):
            raise UsageError(
                "Expected --method and --holdout, or --run",
                f"found {'only one of them' if method or holdout else 'none of them'}",
                "For example: magsig export --method grl --holdout 400X",
            )
        seeds = choose_run(workspace, choose_dataset(workspace, dataset), method, holdout, patient_fold, config_hash)
    elif dataset or method or holdout or config_hash:
        raise UsageError(
            "Expected either --run or a choice of runs", "found both", "Leave out --method, --holdout and the like"
        )
    folder = run_folder or seeds[0].folder
    workspace = _workspace_of(folder, workspace)
    load_tensorflow()
    from magsig_tf.serving.exporting.export import export_run, open_whole

    run = open_whole(folder)
    prepared = PreparedDataset.open(workspace.data(run.record.dataset))
    name = name or default_name(run)
    with progress(f"exporting {run.title}"):
        exported = export_run(
            run,
            prepared,
            root=output,
            name=name,
            signature=signature_of_run(workspace, run) if with_signature else None,
            with_temperature=temperature,
            write_card=lambda extra, version: write_card(extra, folder, name=name, version=version),
        )
    return Exported(exported, seeds)


def default_name(run: Run) -> str:
    """Return a model's name for a run: `grl-400x`, with the patient fold where it is not the first."""
    fold = f"-fold{run.patient_fold}" if run.patient_fold else ""
    words = f"{run.method}-{run.holdout}{fold}".lower()
    return re.sub(r"[^a-z0-9._]+", "-", words).strip("-.") or "model"


def _workspace_of(folder: Path, workspace: Workspace) -> Workspace:
    """Return the workspace that a run lies in: WORKSPACE/runs/DATASET/METHOD/HOLDOUT/RUN."""
    above = folder.resolve().parents
    return Workspace(above[4]) if len(above) > 4 and above[3].name == "runs" else workspace
