"""The files that a run leaves for everything after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from magsig_tf.checksums import ChangedError, signing
from magsig_tf.config import Settings
from magsig_tf.data.prepared import Dataset, PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.execution.observer import Observer
from magsig_tf.models.classifier import build_classifier
from magsig_tf.models.encoders import build_encoder
from magsig_tf.npz_files import NpzError, read_npz
from magsig_tf.parquet_files import write_parquet
from magsig_tf.training.evaluated_network import Inference
from magsig_tf.workspace import random_encoder_file

EMBEDDED_PARTS = ("train", "validation", "test", "in_domain_test")
"""Parts of every split that are embedded; all but the first are predicted too."""
Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Rows of the data set to their logits [n] and embeddings [n, p]."""


def write_outputs(
    folder: Path, classifier: keras.Model, answer: Answer, prepared: Dataset, split: Split, looked_at: str
) -> None:
    """Write `model.keras`, `predictions.parquet` and `embeddings.npz` of the chosen weights.

    Args:
        folder: The run's folder.
        classifier: With the chosen weights.
        answer: What the same classifier says of rows.
        prepared: The data.
        split: Its parts.
        looked_at: The part that the selection rule used; predicted too where it is another than those of every run.

    Raises:
        RunError: a prediction is not finite.
    """
    parts = [part for part in dict.fromkeys((*EMBEDDED_PARTS, looked_at)) if len(split.rows[part])]
    rows = np.concatenate([split.rows[part] for part in parts])
    names = np.repeat(parts, [len(split.rows[part]) for part in parts])
    logits, embeddings = answer(rows)
    if not (np.isfinite(logits).all() and np.isfinite(embeddings).all()):
        raise RunError("Expected finite predictions", "found NaN or infinity", "Lower --learning-rate and repeat")
    manifest, label = prepared.manifest.iloc[rows], prepared.labels[rows].astype(np.int8)
    known = {name: manifest[name].to_numpy() for name in ("case", "slide", "magnification")}
    logits = logits.astype(np.float64)
    computed = {"label": label, "probability": 1.0 / (1.0 + np.exp(-logits)), "logit": logits}
    frame = pd.DataFrame({"row": rows, "part": names, **known, **computed})
    with signing(folder / "model.keras") as temporary:
        classifier.save(temporary)
    with signing(folder / "embeddings.npz") as temporary:
        arrays: dict[str, Any] = {"embedding": embeddings.astype(np.float32), "row": rows, "part": names.astype(str)}
        arrays |= {name: frame[name].to_numpy(str) for name in ("case", "magnification")}
        np.savez(temporary, **arrays, label=label)
    write_parquet(folder / "predictions.parquet", frame[frame["part"] != "train"])


def write_random_encoder(runs: Path, settings: Settings, prepared: PreparedDataset, observer: Observer) -> None:
    """Write the embeddings of the run's encoder with random weights, unless they are there already.

    They depend on the data set, the encoder and the seed alone, so every holdout, patient fold and method shares them.
    The rows are all images: probes look at those that a split tests, signatures are fitted to those that it trains on.
    An encoder that cannot be built without weights, or gives no finite numbers, costs the control and not the run.

    Args:
        runs: The folder above all runs of the data set.
        settings: Settings of one run: its encoder, its seed and the size of its batches.
        prepared: The data.
        observer: Told when it is written, or why not.
    """
    seed, rows = settings.seed[0], np.arange(len(prepared.manifest))
    path = random_encoder_file(runs, settings.encoder, seed)
    stored = computed_before(path, {"dataset_hash": prepared.content_hash}, "row")
    if stored is not None and len(stored) == len(rows):
        return
    control = f"Control, {settings.encoder} with random weights, seed {seed}"
    observer.note(f"{control}: {len(rows)} images, once")
    try:
        encoder = build_encoder(settings.encoder, (prepared.size, prepared.size, 3), "none", seed)
        classifier = build_classifier(encoder, 0.0, seed)
        _, embeddings = Inference(classifier, prepared.images, settings.inference_batch)(rows)
    except MagsigError as error:
        observer.note(f"{control}: not written. {error}")
        return
    if not np.isfinite(embeddings).all():
        observer.note(f"{control}: not written, since its numbers are not finite")
        return
    with signing(path) as temporary:
        content_hash = np.array(prepared.content_hash)
        np.savez(temporary, embedding=embeddings.astype(np.float32), row=rows, dataset_hash=content_hash)


def computed_before(path: Path, known: Mapping[str, str], array: str) -> np.ndarray | None:
    """Return an array of a file that is written once for all runs; None where none is, or it is of something else.

    Args:
        path: The NPZ file.
        known: Texts that it holds where it is of the same data, weights and so on.
        array: Name of the array.
    """
    try:
        stored = read_npz(path, (array, *known))
        return stored[array] if all(str(stored[name]) == value for name, value in known.items()) else None
    except (ChangedError, OSError, NpzError, KeyError, TypeError):
        return None  # a damaged file is written anew, as an absent one is
