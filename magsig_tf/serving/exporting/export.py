"""From a finished run to a version of a served model: written aside, checked, then moved into its place."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.optimize import minimize_scalar
from scipy.special import expit

from magsig_tf import __version__
from magsig_tf.atomic_files import write_json
from magsig_tf.checksums import MARK, sign_tree, verified
from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.prepared import Dataset, PreparedDataset
from magsig_tf.errors import DataError, RunError
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.registry import registry
from magsig_tf.runs.record import REMEDY, check_logits
from magsig_tf.runs.run import Run
from magsig_tf.serving.exported_model import model_folder, writing_version
from magsig_tf.serving.exporting.check import CheckedExport, check_export
from magsig_tf.serving.exporting.preprocessing import Preprocessing
from magsig_tf.serving.exporting.served_model import THRESHOLD, Served, ServedHead, ServedModel, SparseSignature
from magsig_tf.serving.exporting.warm_up import write_warm_up
from magsig_tf.serving.exporting.with_encoder import EncoderInside, with_encoder
from magsig_tf.statistics import metrics

_OF_THE_RUN = (
    *("dataset", "dataset_hash", "split_hash", "method", "holdout", "source_magnifications", "patient_fold", "seed"),
    *("config_hash", "encoder", "selection", "chosen", "cases_per_class", "images"),
)
FILES = ("config.yaml", "run.json", "model.keras", "predictions.parquet", "embeddings.npz")
NEEDED = ("chosen", "versions")
"""What an export needs of `run.json` beyond what every run has; a run that was trained in steps needs `encoder` too."""
RANGE = (0.05, 20.0)
"""Temperatures that are tried."""
_OF_DECISIONS = (metrics.accuracy, metrics.balanced_accuracy, metrics.f1, metrics.sensitivity, metrics.specificity)
_OF_PROBABILITIES = (metrics.auc, metrics.brier_score, metrics.log_loss)


def open_whole(folder: Path) -> Run:
    """Return the finished run of a folder, with everything that an export reads.

    Raises:
        RunError: the folder holds no run, or one that is not done or whose files are incomplete or damaged.
    """
    run = Run.found(folder)
    if run.record.status != "done":
        remedy = "Repeat its `magsig train` command: it resumes from there"
        raise RunError(f"Expected a finished run in {folder}", f"found one that is {run.record.status}", remedy)
    missing = [name for name in FILES if not (run.folder / name).is_file()]
    needed = NEEDED if run.seedless else ("encoder", *NEEDED)
    missing += [f"{key} in run.json" for key in needed if getattr(run.record, key) is None]
    if missing:
        raise RunError(f"Expected a whole run in {folder}", f"found no {', no '.join(missing)}", REMEDY)
    check_logits(run.predictions, run.folder / "predictions.parquet")
    return run


@dataclass(frozen=True)
class Temperature:
    """One number by which logits are divided.

    Args:
        value: The temperature; above 1 it draws probabilities towards one half. None where none fits.
        images: Number of validation images it was fitted to.
        log_loss_before: Their mean log-loss at temperature 1, averaged over source magnifications.
        log_loss_after: The same at `value`; None where there is none.
        reason: Why there is none: the log-loss falls up to an end of `RANGE`, and that end is a choice of ours, no fit.
    """

    value: float | None
    images: int
    log_loss_before: float
    log_loss_after: float | None
    reason: str = ""

    @property
    def at_edge(self) -> bool:
        """Whether the log-loss falls up to an end of `RANGE`."""
        return self.value is None

    @property
    def served(self) -> float:
        """What logits are divided by: 1 where none fits, which serves probabilities as trained."""
        return 1.0 if self.value is None else self.value


def fit_temperature(validation: pd.DataFrame) -> Temperature:
    """Return the temperature with the smallest log-loss, averaged over source magnifications as in training.

    Args:
        validation: Columns `logit`, `label` (0 or 1) and `magnification`; the validation part of a run.

    Raises:
        DataError: a class is missing.

    Source: Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if validation["label"].nunique() < 2:
        expected = "Expected validation images of both classes, to fit a temperature"
        found = f"found {len(validation)} of {validation['label'].nunique()} class"
        raise DataError(expected, found, "Leave out --temperature")
    groups = [group[["label", "logit"]].to_numpy(float).T for _, group in validation.groupby("magnification")]

    def loss(logarithm: float) -> float:
        return float(np.mean([metrics.log_loss(label, expit(logit / np.exp(logarithm))) for label, logit in groups]))

    before, lowest, highest = loss(0.0), *RANGE
    least = f"the log-loss of the {len(validation)} source validation images falls up to the end of what is tried"
    if _slope(groups, 1 / lowest) <= 0:
        why = f"{least}, temperature {lowest:g}: logits (nearly) separate them without error"
        return Temperature(None, len(validation), before, None, why)
    if _slope(groups, 1 / highest) >= 0:
        why = f"{least}, temperature {highest:g}: logits (nearly) say nothing of the label"
        return Temperature(None, len(validation), before, None, why)
    best = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method="bounded", options={"xatol": 1e-6})
    return Temperature(float(np.exp(best.x)), len(validation), before, float(best.fun))


def _slope(groups: Sequence[np.ndarray], inverse: float) -> float:
    """Return the derivative of the mean log-loss by 1 / temperature, in which it is convex.

    Where it is not above 0 the minimum lies at this value of 1 / temperature or above. A search by values alone would
    stop anywhere: on separable images they no longer change.
    """
    return float(np.mean([np.mean((expit(inverse * logit) - label) * logit) for label, logit in groups]))


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
    prepared: Dataset,
    encoder: EncoderInside | None = None,
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
        prepared: Its data set; the export is checked on its test images, or on their embeddings.
        encoder: What made a data set of embeddings: the model then takes images and has it inside. Without it, a run on
            embeddings becomes a head that takes embeddings.
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
        expected = f"Expected the data set with hash {run.dataset_hash[:12]}, which the run was trained on"
        found = f"found {prepared.content_hash[:12]} in {prepared.folder}"
        raise DataError(expected, found, "Prepare the same source again, or pass the --workspace of the run")
    model = model_folder(root, name)
    temperature = fit_temperature(run.part("validation")) if with_temperature else None
    served = _served(run, prepared, encoder, 1.0 if temperature is None else temperature.served, signature)
    asked, batch = prepared, int(run.settings.get("inference_batch", 64))
    if encoder is not None:
        asked, batch = encoder.images, encoder.batch
    with writing_version(model) as (folder, place):
        served.save(folder)
        extra, version = folder / "assets.extra", int(place.name)
        extra.mkdir()
        checked = check_export(folder, served, run, asked, batch)
        facts = {"name": name, "version": version, **_facts(run, served, checked, temperature)}
        write_json(extra / "labels.json", {"labels": list(LABELS), "threshold": THRESHOLD})
        write_json(extra / "export.json", facts)
        for file in ("config.yaml", "run.json"):
            shutil.copyfile(verified(run.folder / file), extra / file)
        write_warm_up(extra, name, served.warm_up())
        write_card(extra, version)
        sign_tree(folder, extra)
    return Export(place, facts, checked, temperature)


def _served(
    run: Run, prepared: Dataset, encoder: EncoderInside | None, temperature: float, signature: SparseSignature | None
) -> Served:
    if not run.seedless:
        assert run.record.encoder is not None  # `open_whole` refuses a run without one
        registry("encoders").load(run.record.encoder)  # its own layers must be known before the model is read
    classifier, images = load_saved_model(run.folder / "model.keras"), prepared
    if encoder is not None:
        images = encoder.images
        classifier = with_encoder(encoder.network(), classifier, prepared.array.dtype)
    if not isinstance(images, PreparedDataset):
        return ServedHead(classifier, temperature=temperature, signature=signature)
    preprocessing = Preprocessing(images.size, images.info.get("resize", "squash"))
    return ServedModel(classifier, preprocessing, temperature=temperature, signature=signature)


def _facts(run: Run, served: Served, checked: CheckedExport, temperature: Temperature | None) -> dict[str, object]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.place,
        **{key: value for key, value in run.record.as_json().items() if key in _OF_THE_RUN},
        "batch_statistics": run.batch_statistics,
        "precision": run.precision,
        "labels": list(LABELS),
        "threshold": THRESHOLD,
        **served.facts(),
        "embedding_length": int(served.classifier.output["embedding"].shape[-1]),
        "signatures": list(served.signatures),
        "temperature": served.temperature,
        "temperature_fit": None if temperature is None else asdict(temperature),
        "signature": None if served.signature is None else served.signature.facts(),
        "metrics": served_metrics(run, served.temperature),
        "check": checked.facts(),
        "versions": {
            "magsig": __version__,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "trained_with": run.record.versions,
        **MARK,
    }


def served_metrics(run: Run, temperature: float) -> list[dict[str, object]]:
    """Return one row a part and magnification, image level.

    Args:
        run: The run.
        temperature: That is served.

    Returns:
        Plain values; a metric that is not defined is None.
    """
    rows: list[dict[str, object]] = []
    for part in ("test", "in_domain_test"):
        for magnification in magnification_order(run.part(part)["magnification"].unique()):
            chosen = run.part(part, magnification)
            label, probability = chosen["label"].to_numpy(), expit(chosen["logit"].to_numpy(float) / temperature)
            values = {metric.__name__: metric(label, probability >= THRESHOLD) for metric in _OF_DECISIONS}
            values |= {metric.__name__: metric(label, probability) for metric in _OF_PROBABILITIES}
            cases = int(chosen["case"].nunique())
            rows.append({"part": part, "magnification": magnification, "images": len(chosen), "cases": cases})
            rows[-1] |= {name: float(value) if np.isfinite(value) else None for name, value in values.items()}
    return rows
