"""What a finished run leaves for everything after it: model, predictions, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError
from magsig_tf.parallel_work import read_ahead

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


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
        import tensorflow as tf

        self.images, self.batch_size = images, batch_size

        @tf.function(input_signature=[tf.TensorSpec((batch_size, *images.shape[1:]), tf.uint8)])
        def forward(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = classifier(tf.cast(pixels, tf.float32), training=False)
            return outputs["logit"][:, 0], outputs["embedding"]

        forward._omit_frequent_tracing_warning = True  # as in TrainingStep
        self._forward = forward

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return float32 logits [n] and embeddings [n, p] of `rows`."""
        logits, embeddings = [], []
        starts = range(0, len(rows), self.batch_size)
        for start, pixels in zip(starts, read_ahead(lambda s: self._padded(rows, s), starts), strict=True):
            logit, embedding = self._forward(pixels)
            used = min(self.batch_size, len(rows) - start)
            logits.append(logit.numpy()[:used])
            embeddings.append(embedding.numpy()[:used])
        return np.concatenate(logits), np.concatenate(embeddings)

    def _padded(self, rows: np.ndarray, start: int) -> np.ndarray:
        chosen = rows[start : start + self.batch_size]
        return self.images[np.resize(chosen, self.batch_size)]


PREDICTED_PARTS = ("validation", "test", "in_domain_test")
EMBEDDED_PARTS = ("train", *PREDICTED_PARTS)


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
    frame = _predictions(prepared, rows, names, logits.astype(np.float64))
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
            label=frame["label"].to_numpy(np.int8),
        )
    with replacing(folder / "predictions.parquet") as temporary:
        frame[frame["part"] != "train"].to_parquet(temporary, index=False)


def _predictions(prepared: PreparedDataset, rows: np.ndarray, parts: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    manifest = prepared.manifest.iloc[rows]
    return pd.DataFrame(
        {
            "row": rows,
            "part": parts,
            "case": manifest["case"].to_numpy(),
            "slide": manifest["slide"].to_numpy(),
            "magnification": manifest["magnification"].to_numpy(),
            "label": prepared.labels[rows].astype(np.int8),
            "probability": 1.0 / (1.0 + np.exp(-logits)),
            "logit": logits,
        }
    )
