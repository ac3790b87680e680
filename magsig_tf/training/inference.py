"""What a finished run leaves for everything after it: model, predictions, embeddings, those of a control too."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from magsig_tf.atomic_files import replacing
from magsig_tf.config import Settings
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.execution.observer import Observer
from magsig_tf.models.classifier import build_classifier
from magsig_tf.models.encoders import build_encoder
from magsig_tf.parallel_work import read_ahead
from magsig_tf.workspace import random_encoder_file

PREDICTED_PARTS = ("validation", "test", "in_domain_test")
EMBEDDED_PARTS = ("train", *PREDICTED_PARTS)


class Images(Protocol):
    """Images of one size [N, height, width, 3], read by their rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


class Inference:
    """Logits and embeddings of any rows, in batches of one size so that nothing is traced twice.

    Args:
        classifier: Maps uint8 or float32 pixels to `embedding` and `logit`.
        images: uint8 [N, height, width, 3].
        batch_size: Images in a step.
    """

    def __init__(self, classifier: keras.Model, images: Images, batch_size: int):
        self.images, self.batch_size = images, batch_size

        @tf.function(input_signature=[tf.TensorSpec((batch_size, *images.shape[1:]), tf.uint8)])
        def forward(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = classifier(tf.cast(pixels, tf.float32), training=False)
            return outputs["logit"][:, 0], outputs["embedding"]

        forward._omit_frequent_tracing_warning = True  # as in TrainingStep
        self._forward = forward

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return float32 logits [n] and embeddings [n, p] of `rows`."""

        def read(start: int) -> np.ndarray:
            # the last batch is filled up with its first images
            return self.images[np.resize(rows[start : start + self.batch_size], self.batch_size)]

        batches = read_ahead(read, range(0, len(rows), self.batch_size))
        found = [[tensor.numpy() for tensor in self._forward(pixels)] for pixels in batches]
        logits, embeddings = (np.concatenate(each)[: len(rows)] for each in zip(*found, strict=True))
        return logits, embeddings


def write_outputs(
    folder: Path, classifier: keras.Model, inference: Inference, prepared: PreparedDataset, split: Split, looked_at: str
) -> None:
    """Write `model.keras`, `predictions.parquet` and `embeddings.npz` of the chosen weights.

    Args:
        folder: The run's folder.
        classifier: With the chosen weights.
        inference: Over the same classifier.
        prepared: The data.
        split: Its parts.
        looked_at: The part that the selection rule used; predicted too where it is another than those of every run.

    Raises:
        RunError: a prediction is not finite.
    """
    parts = [part for part in dict.fromkeys((*EMBEDDED_PARTS, looked_at)) if len(split.rows[part])]
    rows = np.concatenate([split.rows[part] for part in parts])
    names = np.repeat(parts, [len(split.rows[part]) for part in parts])
    logits, embeddings = inference(rows)
    if not (np.isfinite(logits).all() and np.isfinite(embeddings).all()):
        raise RunError("Expected finite predictions", "found NaN or infinity", "Lower --learning-rate and repeat")
    manifest, label = prepared.manifest.iloc[rows], prepared.labels[rows].astype(np.int8)
    known = {name: manifest[name].to_numpy() for name in ("case", "slide", "magnification")}
    logits = logits.astype(np.float64)
    computed = {"label": label, "probability": 1.0 / (1.0 + np.exp(-logits)), "logit": logits}
    frame = pd.DataFrame({"row": rows, "part": names, **known, **computed})
    with replacing(folder / "model.keras") as temporary:
        classifier.save(temporary)
    with replacing(folder / "embeddings.npz") as temporary:
        np.savez(
            temporary,
            embedding=embeddings.astype(np.float32),
            row=rows,
            part=names.astype(str),
            case=frame["case"].to_numpy(str),
            magnification=frame["magnification"].to_numpy(str),
            label=label,
        )
    with replacing(folder / "predictions.parquet") as temporary:
        frame[frame["part"] != "train"].to_parquet(temporary, index=False)


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
        encoder = build_encoder(settings.encoder, (prepared.size, prepared.size, 3), "none", seed)
        classifier = build_classifier(encoder, 0.0, seed)
        _, embeddings = Inference(classifier, prepared.images, settings.inference_batch)(rows)
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


def _is_of(path: Path, content_hash: str, images: int) -> bool:
    """Say whether the file is there, whole, and of every image of this data set."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["dataset_hash"]) == content_hash and len(stored["row"]) == images
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False  # a damaged file is written anew, as an absent one is
