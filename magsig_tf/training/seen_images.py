"""Images that a trained encoder has seen: they are no test of a head on its embeddings, nor of its magnifications."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.data.columns import ENCODER_PART
from magsig_tf.data.prepared import Dataset, PreparedDataset
from magsig_tf.data.splits import Split, make_split, split_of
from magsig_tf.errors import DataError, UsageError
from magsig_tf.runs.run import Run


def encoder_parts(run: Run, prepared: PreparedDataset) -> np.ndarray:
    """Return what each image of a data set was to the training of a run: "train", "validation" or "" for nothing.

    Args:
        run: A finished run.
        prepared: The run's data set, or another one, whose images are known again by their pixels.

    Raises:
        DataError: the data set of the run is no longer there.
    """
    from magsig_tf.training.selection import selection_rule  # loads TensorFlow, which a plan does without

    own = prepared
    if prepared.content_hash != run.dataset_hash:
        own = _data_of_run(run)
    settings = run.settings
    protocol: dict[str, Any] = {"holdout": run.holdout, "patient_fold": run.patient_fold}
    protocol |= {name: settings.get(name) for name in ("folds", "split_seed", "group_by", "magnifications")}
    split = make_split(own.manifest, content_hash=own.content_hash, **protocol)
    parts = np.full(len(own.manifest), "", object)
    chosen_by = selection_rule(str(settings["selection"]), 0.0).part
    for part, rows in (("validation", split.rows[chosen_by]), ("train", split.rows["train"])):
        parts[rows] = part
    if own is prepared:
        return parts
    by_pixels = dict(zip(own.manifest["pixel_sha256"], parts, strict=True))
    return np.array([by_pixels.get(pixels, "") for pixels in prepared.manifest["pixel_sha256"]], object)


def _data_of_run(run: Run) -> PreparedDataset:
    folder = run.workspace.data(run.record.dataset)
    expected = f"Expected the data set {run.record.dataset!r} of the run, to know which images its encoder has seen"
    remedy = "Prepare it again in the workspace of the run"
    if not (folder / "dataset.json").is_file():
        raise DataError(expected, f"found none in {folder}", remedy)
    own = PreparedDataset.open(folder)
    if own.content_hash != run.dataset_hash:
        raise DataError(expected, f"found another content in {folder}", remedy)
    return own


def check_unseen(runs: Iterable[Run], dataset: Dataset) -> None:
    """Refuse a study that would test a trained encoder where it was trained.

    Args:
        runs: The runs of the study.
        dataset: Its data set.

    Raises:
        UsageError: test cases, or the held-out magnification, are among the images that trained the encoder.
        DataError: a split cannot be made, or the data set does not say what its encoder was trained on.
    """
    provenance = dataset.info.get("provenance") or {}
    if "run" not in provenance:
        return
    if ENCODER_PART not in dataset.manifest:
        expected = f"Expected {dataset.name} to say which images its encoder was trained on"
        raise DataError(expected, f"found no column {ENCODER_PART}", "Repeat `magsig embed` with --overwrite")
    for run in {(run.holdout, run.patient_fold): run for run in runs}.values():
        found = _seen(dataset.manifest, split_of(run.config, dataset), run.config.settings.group_by)
        if found:
            where = f"found, with holdout {run.holdout} and patient fold {run.patient_fold}, {found}"
            expected = f"Expected tests on images that are new to the encoder of {dataset.name}, {provenance['run']}"
            raise UsageError(expected, where, "Choose the --holdout and --patient-fold of that run")


def _seen(manifest: pd.DataFrame, split: Split, group_by: str) -> str:
    """Return in words what the encoder has seen of what a split tests; empty for nothing."""
    used = (manifest[ENCODER_PART] != "").to_numpy()
    unit = "split_case" if group_by == "case" and "split_case" in manifest else group_by
    known = manifest[unit].isin(set(manifest.loc[used, unit])).to_numpy()
    tested = np.concatenate([split.rows["test"], split.rows["in_domain_test"]])
    if known[tested].any():
        return f"{int(known[tested].sum()):,} of {len(tested):,} test images from {group_by}s that trained it"
    if split.holdout in set(manifest.loc[used, "magnification"]):
        return f"{split.holdout} among the magnifications that trained it"
    return ""
