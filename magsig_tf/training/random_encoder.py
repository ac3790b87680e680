"""The embeddings of an encoder that was never trained: a control of probes and signatures, once for each seed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from magsig_tf.atomic_files import replacing
from magsig_tf.config import Settings
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import MagsigError
from magsig_tf.execution.observer import Observer
from magsig_tf.training.inference import Inference
from magsig_tf.workspace import random_encoder_file


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
    seed = settings.seed[0]
    path = random_encoder_file(runs, settings.encoder, seed)
    rows = np.arange(len(prepared.manifest))
    if _is_of(path, prepared.content_hash, len(rows)):
        return
    control = f"Control, {settings.encoder} with random weights, seed {seed}"
    observer.note(f"{control}: {len(rows)} images, once")
    try:
        embeddings = _embeddings(settings, prepared, rows)
    except MagsigError as error:
        observer.note(f"{control}: not written. {error}")
        return
    if not np.isfinite(embeddings).all():
        observer.note(f"{control}: not written, since its numbers are not finite")
        return
    with replacing(path) as temporary:
        np.savez(
            temporary, embedding=embeddings.astype(np.float32), row=rows, dataset_hash=np.array(prepared.content_hash)
        )


def _embeddings(settings: Settings, prepared: PreparedDataset, rows: np.ndarray) -> np.ndarray:
    from magsig_tf.models.classifier import build_classifier
    from magsig_tf.models.encoders import build_encoder

    seed = settings.seed[0]
    encoder = build_encoder(settings.encoder, (prepared.size, prepared.size, 3), "none", seed)
    inference = Inference(build_classifier(encoder, 0.0, seed), prepared.images, settings.inference_batch)
    return inference(rows)[1]


def _is_of(path: Path, content_hash: str, images: int) -> bool:
    """Say whether the file is there, whole, and of every image of this data set."""
    if not path.exists():
        return False
    try:
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["dataset_hash"]) == content_hash and len(stored["row"]) == images
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False  # a damaged file is written anew
