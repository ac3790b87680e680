"""The network that validates, predicts and is saved, and the files that it leaves for everything after training.

It has the weights to use, with batch statistics that belong to them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from magsig_tf.atomic_files import replacing
from magsig_tf.config import Settings
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.execution.evaluated_weights import BatchStatistics
from magsig_tf.execution.observer import Observer
from magsig_tf.methods.contract import Method, UnlabelledRows
from magsig_tf.models.classifier import build_classifier
from magsig_tf.models.encoders import build_encoder
from magsig_tf.parallel_work import read_ahead
from magsig_tf.parquet_files import write_parquet
from magsig_tf.statistics_rule import REESTIMATED
from magsig_tf.training.parts import RunParts
from magsig_tf.workspace import random_encoder_file

EMBEDDED_PARTS = ("train", "validation", "test", "in_domain_test")
"""Parts of every split that are embedded; all but the first are predicted too."""
STATISTICS_IMAGES = 512
"""Training images, at most, from which batch statistics are estimated."""
_BATCH = 64
APART_NATS, APART_SHARE = 0.05, 0.1
_ROUNDING = 1e-5
_UNLABELLED = {"train": "train", "validation": "validation", "held_out": "validation_holdout"}
"""Parts that a method may adapt to, and their names in the split; no tested case is among them."""


class Inference:
    """Logits and embeddings of any rows, in batches of one size so that nothing is traced twice.

    Args:
        classifier: Maps uint8 or float32 pixels to `embedding` and `logit`.
        images: uint8 [N, height, width, 3], or what has this `shape` and gives the images of rows.
        batch_size: Images in a step.
    """

    def __init__(self, classifier: keras.Model, images: Any, batch_size: int):
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


@dataclass(frozen=True)
class TrainingRowsCheck:
    """Label cross-entropy of the chosen weights on training rows, in nats, unsmoothed and without augmentation.

    Args:
        images: How many rows.
        inference: In inference mode, as every number of the run is computed.
        by_batch: With batch norms that use the statistics of the batch, about 64 rows; None where the network has none
            that it trains with, or where the number is not finite.
    """

    images: int
    inference: float
    by_batch: float | None

    @property
    def sentences(self) -> list[str]:
        """What a run says of it: both numbers, and a warning where what is evaluated is not what was trained."""
        said = f"Label cross-entropy on {self.images} training images: {self.inference:.3f} in inference mode"
        if self.by_batch is None:
            return [said]
        found = [f"{said}, {self.by_batch:.3f} with batch statistics"]
        if not abs(self.inference - self.by_batch) <= max(APART_NATS, APART_SHARE * self.by_batch):
            found.append(
                "Warning: the two differ by more than .05 nats and 10 %, so what is evaluated is not what was trained. "
                "Use --batch-statistics reestimated"
            )
        return found


class EvaluatedNetwork:
    """Takes over the weights that would be used, and predicts rows of the data set.

    It is a network of its own, outside the distribution strategy: nothing here changes the one that is trained.

    Args:
        parts: What is trained; `parts.evaluated` is the network.
        prepared: The data.
        settings: The run's settings; `inference_batch` is used.
    """

    def __init__(self, parts: RunParts, prepared: PreparedDataset, settings: Settings):
        self.parts, self.prepared = parts, prepared
        self.inference = Inference(parts.evaluated, prepared.images, settings.inference_batch)
        self._statistics = BatchStatistics(parts.evaluated)

    def take_weights(self, means: Sequence[np.ndarray] | None = None) -> None:
        """Take the trained weights, or their moving average where that is on, and estimate their batch statistics.

        Args:
            means: Mean weights over a window, to be taken instead: of the classifier's trainable variables, in order.
        """
        self.parts.put_weights_to_use(means)
        if means is not None or self.parts.batch_statistics == REESTIMATED:
            self._statistics.estimate(self._batches())

    def variables(self) -> dict[str, Any]:
        """Return the network's variables by name, batch statistics among them."""
        return {f"classifier/{i}": v for i, v in enumerate(self.parts.evaluated.weights)}

    def cross_entropy(self, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the label cross-entropy of rows in nats, averaged over magnifications, and their logits [n]."""
        logits, _ = self.inference(rows)
        return self._cross_entropy(rows, logits), logits

    def adapt(self, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Let the method adapt the network to images without labels; return what `run.json` says of it.

        Args:
            rows: Part name to rows, of the split.
        """
        method = self.parts.method
        if type(method).adapt is Method.adapt:
            return {}
        parts = {name: rows[part] for name, part in _UNLABELLED.items()}
        unlabelled = UnlabelledRows(self.prepared.images, parts, self.inference.batch_size)
        method.adapt(self.parts.evaluated, unlabelled)
        return {"adapted": {name: unlabelled.count(name) for name in parts}}

    def check_saved(self) -> None:
        """Refuse a method whose layers change the network outside training: the saved model lacks them.

        Raises:
            RunError: the network that is saved gives other outputs.
        """
        if self.parts.saved is self.parts.evaluated:
            return
        pixels = next(self._batches())
        found, wanted = (model(pixels, training=False) for model in (self.parts.saved, self.parts.evaluated))
        apart = max(float(np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max()) for name in found)
        if not apart <= _ROUNDING:
            raise RunError(
                f"Expected layers that the method {type(self.parts.method).__name__} puts into the network to change "
                "nothing outside training",
                f"found outputs that differ by {apart:.2g} of the largest",
                "Return the input as it is unless `training` is set",
            )

    def check_training_rows(self) -> TrainingRowsCheck:
        """Compare the network in inference mode with itself under the statistics of each batch."""
        rows = self.rows().reshape(-1)
        inference, _ = self.cross_entropy(rows)
        if not self._statistics.serves:
            return TrainingRowsCheck(len(rows), inference, None)
        outputs = self._statistics.outputs(self._batches())
        by_batch = self._cross_entropy(rows, np.concatenate([output["logit"].numpy()[:, 0] for output in outputs]))
        return TrainingRowsCheck(len(rows), inference, by_batch if np.isfinite(by_batch) else None)

    def _cross_entropy(self, rows: np.ndarray, logits: np.ndarray) -> float:
        magnifications = self.prepared.manifest["magnification"].to_numpy()[rows]
        return cross_entropy(self.prepared.labels[rows], logits, magnifications)

    def rows(self) -> np.ndarray:
        """Return the rows of batch statistics, int64 [batches, n]; a batch has as many of each source magnification."""
        rows = self.parts.plan.epoch_rows(0)  # steps, images, magnifications
        rows = rows.reshape(-1, rows.shape[-1])
        per_batch = max(1, min(_BATCH // rows.shape[-1], len(rows)))
        count = max(1, min(STATISTICS_IMAGES // (per_batch * rows.shape[-1]), len(rows) // per_batch))
        return rows[: count * per_batch].reshape(count, -1)

    def _batches(self) -> Iterator[np.ndarray]:
        return (self.prepared.images[rows].astype(np.float32) for rows in self.rows())


def cross_entropy(labels: np.ndarray, logits: np.ndarray, magnifications: np.ndarray) -> float:
    """Return the binary cross-entropy in nats, averaged within and then over magnifications.

    Args:
        labels: 0 or 1, [n].
        logits: [n].
        magnifications: Name of each row's magnification, [n].
    """
    losses = np.logaddexp(0.0, logits.astype(np.float64)) - labels * logits.astype(np.float64)
    return float(np.mean([losses[magnifications == name].mean() for name in np.unique(magnifications)]))


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
        content_hash = np.array(prepared.content_hash)
        np.savez(temporary, embedding=embeddings.astype(np.float32), row=rows, dataset_hash=content_hash)


def _is_of(path: Path, content_hash: str, images: int) -> bool:
    """Say whether the file is there, whole, and of every image of this data set."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["dataset_hash"]) == content_hash and len(stored["row"]) == images
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False  # a damaged file is written anew, as an absent one is
