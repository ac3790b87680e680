"""Run the classifier over rows of a prepared data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.data.read_ahead import read_ahead

if TYPE_CHECKING:
    import keras


class Inference:
    """Logits and embeddings of any rows, in batches of one size so that nothing is traced twice.

    Args:
        classifier: Maps uint8 or float32 pixels to `embedding` and `logit`.
        images: uint8 [N, height, width, 3].
        batch_size: Images in a step.
    """

    def __init__(self, classifier: keras.Model, images: np.ndarray, batch_size: int):
        import tensorflow as tf

        self.images, self.batch_size = images, batch_size

        @tf.function(input_signature=[tf.TensorSpec((batch_size, *images.shape[1:]), tf.uint8)])
        def forward(pixels):
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
