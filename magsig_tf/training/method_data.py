"""From what a run was provided with to the change of its batches, and what `run.json` says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf.atomic_files import replacing
from magsig_tf.data.batches import Change
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import Workers
from magsig_tf.gan.fold import LABELS
from magsig_tf.methods.needs import ChangedImages
from magsig_tf.registry import registry
from magsig_tf.training.changed_batches import ChangedBatches
from magsig_tf.training.prerequisites import Provided, method_of
from magsig_tf.training.synthetic_filter import REASONS, counts, filtered, read_kept

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run

KEPT = "synthetic_kept.parquet"
"""File in a run's folder: what the filter decided on each synthetic image."""


def batch_change(
    run: Run, prepared: PreparedDataset, split: Split, provided: Provided, observer: Observer, workers: Workers
) -> tuple[Change | None, dict[str, Any]]:
    """Return how the run's batches are changed, and what to record.

    Args:
        run: The run.
        prepared: Its data.
        split: Its split.
        provided: From `provide`.
        observer: Told what the filter kept.
        workers: The processes that train it; the chief filters.

    Raises:
        RunError: too few synthetic images are there, or are kept.
    """
    settings = run.config.settings
    asked = method_of(run).changed_images(run.config.options[settings.method[0]])
    if asked is None:
        return None, {}
    usable: np.ndarray | None = None
    record: dict[str, Any] = {}
    if provided.synthetic is not None:
        usable, record = _usable(run, prepared, split, provided, asked, observer, workers)
    batch_size = settings.images_per_magnification * len(split.source_magnifications)
    names = (split.hash, settings.seed[0])
    change = ChangedBatches(asked, batch_size, names, split.source_magnifications, provided.synthetic, usable)
    return change, record


def _usable(
    run: Run,
    prepared: PreparedDataset,
    split: Split,
    provided: Provided,
    asked: ChangedImages,
    observer: Observer,
    workers: Workers,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which synthetic images may be used, bool [N], and what `run.json` says of them."""
    synthetic, fold = provided.synthetic, provided.fold
    assert synthetic is not None, "asked for where there are images"
    assert fold is not None, "images are provided with the GANs that drew them"
    usable = np.ones(len(synthetic), bool)
    by_class: dict[str, Any] = {
        name: {"available": int((synthetic.label == label).sum())} for label, name in enumerate(LABELS)
    }
    if asked.filtered:
        usable[:] = False
        kept, by_class = workers.from_chief(lambda: _judged(run, prepared, split, provided, asked))
        usable[kept] = True
        for name, found in by_class.items():
            dropped = ", ".join(f"{found[reason]} {reason}" for reason in REASONS)
            observer.note(f"Filter: {found['kept']} of {found['available']} {name} images kept; dropped {dropped}")
    else:
        by_class = {name: found | {"kept": found["available"], "kept_share": 1.0} for name, found in by_class.items()}
    record = {
        "gan_folder": fold.folder.relative_to(run.workspace.root).as_posix(),
        "available": len(synthetic),
        "kept": int(usable.sum()),
        "kept_share": float(usable.mean()),
        "by_class": by_class,
        "ratio": asked.synthetic_share,
        "filtered": asked.filtered,
    }
    return usable, {"synthetic": record}


def _judged(
    run: Run, prepared: PreparedDataset, split: Split, provided: Provided, asked: ChangedImages
) -> tuple[list[int], dict[str, Any]]:
    """Return the positions of the kept images, and counts by class; a resumed run reads what it judged before."""
    path, synthetic = run.folder / KEPT, provided.synthetic
    assert synthetic is not None, "asked for where there are images"
    if not path.exists():
        if "baseline" not in provided.runs:
            raise RunError(
                "Expected the fold's baseline run for the filter",
                "found none",
                "Let `needs` of the method ask for RunNeeded('baseline')",
            )
        registry("encoders").load(run.config.settings.encoder)  # its own layers must be known before it is read
        judge = provided.runs["baseline"].folder / "model.keras"
        batch = run.config.settings.inference_batch
        table = filtered(synthetic, prepared, split.rows["train"], judge, asked.confidence, batch)
        with replacing(path) as temporary:
            table.to_parquet(temporary, index=False)
    table = read_kept(path, len(synthetic))
    return np.flatnonzero(table["kept"]).tolist(), counts(table)
