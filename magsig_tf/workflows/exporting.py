"""A finished run as a SavedModel with its signature and its card, checked against the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.checksums import read_signed_json
from magsig_tf.data.embeddings_file import read_embeddings
from magsig_tf.data.prepared import EMBEDDINGS, IMAGES, Dataset, EmbeddedDataset, open_dataset
from magsig_tf.errors import DataError, MagsigError, RunError, UsageError, nearest
from magsig_tf.evaluation.summary.frame import one_run_table
from magsig_tf.execution.tensorflow_import import load_tensorflow
from magsig_tf.runs.result_files import read_result
from magsig_tf.runs.run import Run, load_runs
from magsig_tf.serving.card.model_card import FILE, CardFacts, served_temperature, write_model_card
from magsig_tf.signatures.signature import fit_signature
from magsig_tf.workflows.exported_run import choose_run, default_name
from magsig_tf.workflows.finished_runs import Progress, choose_dataset, silent
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.serving.exporting.export import Export
    from magsig_tf.serving.exporting.served_model import SparseSignature
    from magsig_tf.serving.exporting.with_encoder import EncoderInside

_SAME_PENALTY = 1e-6


@dataclass(frozen=True)
class Exported:
    """A model that was written and checked.

    Args:
        export: The version: its folder, its facts, and what the check measured.
        seeds: The runs that it was chosen from, best first; empty where the run was named.
        remark: Why it takes embeddings though images would be expected; empty where it does not.
    """

    export: Export
    seeds: list[Run]
    remark: str = ""

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
    takes: str | None = None,
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
        takes: Of a run on embeddings: "images" puts the encoder in front of the head, "embeddings" exports the head
            alone; None puts the encoder there where it is known and its images are at hand.
        output: Folder of all exported models.
        progress: Called with what is being exported.

    Raises:
        UsageError: runs are named in two ways or in none, there is no such run, or it cannot take what was asked for.
        RunError: the run is not finished, its files are damaged, or its signature is not in the tables.
        DataError: the exported model does not answer as the run did; nothing of it stays.
    """
    seeds: list[Run] = []
    if run_folder is None:
        if not (method and holdout):
            found = f"found {'only one' if method or holdout else 'none'} of them"
            remedy = "For example: magsig export --method grl --holdout 400X"
            raise UsageError("Expected --method and --holdout, or --run", found, remedy)
        seeds = choose_run(workspace, choose_dataset(workspace, dataset), method, holdout, patient_fold, config_hash)
    elif dataset or method or holdout or config_hash:
        remedy = "Leave out --method, --holdout and the like"
        raise UsageError("Expected either --run or a choice of runs", "found both", remedy)
    folder = run_folder or seeds[0].folder
    above = folder.resolve().parents  # WORKSPACE/runs/DATASET/METHOD/HOLDOUT/RUN
    workspace = Workspace(above[4]) if len(above) > 4 and above[3].name == "runs" else workspace
    load_tensorflow()
    from magsig_tf.serving.exporting.export import export_run, open_whole

    run = open_whole(folder)
    prepared = open_dataset(workspace.data(run.record.dataset))
    encoder, remark = _encoder_inside(prepared, workspace, takes)
    name = name or default_name(run)
    with progress(f"exporting {run.title}"):
        exported = export_run(
            run,
            prepared,
            encoder,
            root=output,
            name=name,
            signature=signature_of_run(workspace, run) if with_signature else None,
            with_temperature=temperature,
            write_card=lambda extra, version: write_card(extra, folder, name=name, version=version),
        )
    return Exported(exported, seeds, remark)


def _encoder_inside(prepared: Dataset, workspace: Workspace, takes: str | None) -> tuple[EncoderInside | None, str]:
    """Return what made the embeddings of a data set, where the export is to take images; and why it is not to.

    Raises:
        UsageError: the export cannot take what was asked for.
    """
    from magsig_tf.serving.exporting.with_encoder import EncoderInside
    from magsig_tf.training.embedding import BATCH, recorded_embedding

    if takes not in (None, IMAGES, EMBEDDINGS):
        raise UsageError(
            "Expected images or embeddings for --takes", f"found {takes!r}", nearest(takes, [IMAGES, EMBEDDINGS])
        )
    if not isinstance(prepared, EmbeddedDataset):
        if takes == EMBEDDINGS:
            found = f"found a run on images: {prepared.name}"
            raise UsageError("Expected a run on embeddings for --takes embeddings", found, "Leave it out")
        return None, ""
    if takes == EMBEDDINGS:
        return None, ""
    try:
        made = recorded_embedding(prepared, workspace)
        return EncoderInside(made.prepared, made.network, BATCH), ""
    except MagsigError as error:
        if takes == IMAGES:
            raise
        return None, f"{error.expected}; {error.found}"


def signature_of_run(workspace: Workspace, run: Run) -> SparseSignature:
    """Return a run's signature, fitted again from its embeddings and held against the table of `magsig signatures`.

    The tables hold sizes and scores, not coefficients; the fit is a pure function of the embeddings, so it is the same.

    Args:
        workspace: Where the result tables lie.
        run: The run.

    Raises:
        RunError: no table has this run, or the fit is no longer the one in the table.
        DataError: the run has no signature, or an empty one.
    """
    from magsig_tf.serving.exporting.served_model import SparseSignature

    folder = workspace.results() / run.record.dataset
    tables = [folder / "signatures.parquet", *sorted(folder.glob("signatures-*.parquet"))]
    rows = _rows_of_run(run, tables, ("method", "config", "holdout", "patient_fold", "seed"))
    if rows is None:
        remedy = f"Run `magsig signatures --dataset {run.record.dataset}` first"
        raise RunError(f"Expected the signature of this run in {tables[0]}", "found none", remedy)
    row, title = rows.iloc[0], run.name
    if pd.isna(row["k"]) or not row["k"]:
        found = f"found {row['reason'] or 'an empty one'}"
        raise DataError(f"Expected a signature of {title}", found, "Export it without --with-signature")
    train = read_embeddings(run.folder / "embeddings.npz").of("train")
    names = (run.dataset_hash, run.holdout, run.patient_fold)
    fitted = fit_signature(train.embedding, train.label, train.case, names=names)
    if fitted.size != row["k"] or abs(fitted.penalty / row["penalty"] - 1) > _SAME_PENALTY:
        expected = f"Expected the signature of {title} as in the table, {int(row['k'])} dimensions"
        remedy = "The run was trained again since: run `magsig signatures` again"
        raise RunError(expected, f"found {fitted.size} when fitted again", remedy)
    return SparseSignature(**{part.name: getattr(fitted, part.name) for part in fields(SparseSignature)})


def write_card(extra: Path, run_folder: Path, *, name: str, version: int) -> Path:
    """Write `MODEL_CARD.md` of an export.

    Args:
        extra: The export's `assets.extra`, finished or not yet in its place; `labels.json` and `export.json` lie there.
        run_folder: The finished run, `<workspace>/runs/<dataset>/<method>/<holdout>/<run>`. Where the workspace around
            it holds the prepared data and the results of the study, their numbers are in the card too.
        name: Name of the export.
        version: Its version.

    Returns:
        The file.

    Raises:
        RunError: the run's files are damaged.
        MagsigError: a file of the export is missing or is no JSON.
    """
    export = read_json(extra / "export.json")
    folder = run_folder.resolve()
    workspace, dataset = Workspace(folder.parents[4]), folder.parents[2].name
    (run,) = load_runs(workspace, dataset, folders=[folder]).runs
    described = workspace.data(run.record.dataset) / "dataset.json"
    prepared = read_signed_json(described) if described.exists() else {}
    summaries = (workspace.results() / run.record.dataset).glob("summary*.parquet")
    newest_first = sorted(summaries, key=lambda path: path.stat().st_mtime, reverse=True)
    facts = CardFacts(
        name=name,
        version=version,
        labels=read_json(extra / "labels.json")["labels"],
        run=run.record.as_json(),
        config=run.settings,
        export=export,
        dataset=prepared if prepared.get("content_hash") == run.dataset_hash else None,  # others may have that name
        own=one_run_table(run, served_temperature(export)),
        study=_rows_of_run(run, newest_first, ("method", "config", "holdout")),
    )
    write_model_card(extra / FILE, facts)
    return extra / FILE


def _rows_of_run(run: Run, tables: Iterable[Path], keys: tuple[str, ...]) -> pd.DataFrame | None:
    """Return the rows that agree with a run in these columns, from the first result table that has some."""
    same = pd.Series({key: run.config_hash if key == "config" else getattr(run, key) for key in keys})
    for path in tables:
        try:
            table = read_result(path, keys, "")
        except DataError:
            continue  # a damaged table is told, and written anew, by the command that makes it
        if table is not None and len(found := table[(table[list(keys)] == same).all(axis=1)]):
            return found
    return None
