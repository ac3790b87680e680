"""From a finished run to a version of a served model: written aside, checked, then moved into its place."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from magsig_tf import __version__
from magsig_tf.atomic_files import write_json
from magsig_tf.data.columns import LABELS
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import DataError, RunError
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.registry import registry
from magsig_tf.runs.record import REMEDY, check_logits
from magsig_tf.runs.run import Run
from magsig_tf.serving.exporting.check import CheckedExport, check_export
from magsig_tf.serving.exporting.preprocessing import Preprocessing
from magsig_tf.serving.exporting.served_metrics import Temperature, fit_temperature, served_metrics
from magsig_tf.serving.exporting.served_model import SIGNATURES, THRESHOLD, ServedModel
from magsig_tf.serving.exporting.sparse_signature import SparseSignature
from magsig_tf.serving.exporting.version_folder import VersionFolder
from magsig_tf.serving.exporting.warm_up import NAME as WARM_UP
from magsig_tf.serving.exporting.warm_up import write_warm_up

_OF_THE_RUN = (
    *("dataset", "dataset_hash", "split_hash", "method", "holdout", "source_magnifications", "patient_fold", "seed"),
    *("config_hash", "encoder", "selection", "chosen", "cases_per_class", "images"),
)


FILES = ("config.yaml", "run.json", "model.keras", "predictions.parquet", "embeddings.npz")
NEEDED = ("encoder", "chosen", "versions")
"""What an export needs of `run.json` beyond what every run has."""


def open_whole(folder: Path) -> Run:
    """Return the finished run of a folder, with everything that an export reads.

    Raises:
        RunError: the folder holds no run, or one that is not done or whose files are incomplete or damaged.
    """
    run = Run.found(folder)
    if run.record.status != "done":
        raise RunError(
            f"Expected a finished run in {folder}",
            f"found one that is {run.record.status}",
            "Repeat its `magsig train` command: it resumes from there",
        )
    missing = [name for name in FILES if not (run.folder / name).is_file()]
    missing += [f"{key} in run.json" for key in NEEDED if getattr(run.record, key) is None]
    if missing:
        raise RunError(f"Expected a whole run in {folder}", f"found no {', no '.join(missing)}", REMEDY)
    check_logits(run.predictions, run.folder / "predictions.parquet")
    return run


@dataclass(frozen=True)
class Export:
    """A version that was written and checked.

    Args:
        folder: Where it lies.
        facts: Its `export.json`.
        checked: What the check measured.
        temperature: The fit, where one was asked for.
    """

    folder: Path
    facts: dict[str, Any]
    checked: CheckedExport
    temperature: Temperature | None


def export_run(
    run: Run,
    prepared: PreparedDataset,
    *,
    root: Path,
    name: str,
    signature: SparseSignature | None = None,
    with_temperature: bool = False,
    write_card: Callable[[Path, int], object] = lambda extra, version: None,
) -> Export:
    """Write the next version of a served model.

    Args:
        run: The run.
        prepared: Its data set; the export is checked on its test images.
        root: The folder of all exports.
        name: Of the model.
        signature: The run's sparse signature, to be served beside the label head.
        with_temperature: Whether to fit a temperature on source validation.
        write_card: Called with the version's `assets.extra` and its number when all else is written: the model card
            holds numbers of the evaluation, which serving does not calculate.

    Raises:
        DataError: the prepared data are not those of the run.
        RunError: the export does not answer as the run did; nothing of it stays.
        UsageError: the name is none for a folder.
    """
    if prepared.content_hash != run.dataset_hash:
        raise DataError(
            f"Expected the data set with hash {run.dataset_hash[:12]}, which the run was trained on",
            f"found {prepared.content_hash[:12]} in {prepared.folder}",
            "Prepare the same source again, or pass the --workspace of the run",
        )
    place = VersionFolder(root, name)
    temperature = fit_temperature(run.part("validation")) if with_temperature else None
    served = ServedModel(
        _classifier_of(run),
        Preprocessing(prepared.size, prepared.info.get("resize", "squash")),
        1.0 if temperature is None else temperature.value,
        signature,
    )
    with place.writing() as folder:
        version = place.next_version()
        served.save(folder)
        extra = folder / "assets.extra"
        extra.mkdir()
        checked = check_export(folder, served, run, prepared)
        facts = _facts(run, served, checked, temperature, name, version)
        write_json(extra / "labels.json", {"labels": list(LABELS), "threshold": THRESHOLD})
        write_json(extra / "export.json", facts)
        for file in ("config.yaml", "run.json"):
            shutil.copyfile(run.folder / file, extra / file)
        write_warm_up(extra / WARM_UP, name, prepared.size)
        write_card(extra, version)
        return Export(place.publish(folder, version), facts, checked, temperature)


def _classifier_of(run: Run) -> keras.Model:
    encoder = run.record.encoder
    assert encoder is not None  # `open_whole` refuses a run without one
    registry("encoders").load(encoder)  # its own layers must be known before the model is read
    return load_saved_model(run.folder / "model.keras")


def _facts(
    run: Run, served: ServedModel, checked: CheckedExport, temperature: Temperature | None, name: str, version: int
) -> dict[str, object]:
    return {
        "name": name,
        "version": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.place,
        **{key: value for key, value in run.record.as_json().items() if key in _OF_THE_RUN},
        "batch_statistics": run.batch_statistics,
        "precision": run.precision,
        "labels": list(LABELS),
        "threshold": THRESHOLD,
        "image_size": served.preprocessing.size,
        "resize": served.preprocessing.resize,
        "embedding_length": int(served.classifier.output["embedding"].shape[-1]),
        "signatures": list(SIGNATURES),
        "temperature": served.temperature,
        "temperature_fit": None if temperature is None else temperature.facts(),
        "signature": None if served.signature is None else served.signature.facts(),
        "metrics": served_metrics(run.predictions, served.temperature, THRESHOLD),
        "check": checked.facts(),
        "versions": {
            "magsig": __version__,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "trained_with": run.record.versions,
    }
