"""The network that validates, predicts and is saved: the weights to use, with batch statistics that belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.config import Settings
from magsig_tf.data.prepared import Dataset, Inputs
from magsig_tf.errors import RunError
from magsig_tf.execution.evaluated_weights import BatchStatistics
from magsig_tf.methods.contract import Method, UnlabelledRows
from magsig_tf.parallel_work import read_ahead
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.statistics_rule import REESTIMATED
from magsig_tf.training.parts import RunParts

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
        classifier: Maps pixels, or plain embeddings, to `embedding` and `logit`.
        inputs: What it gets of each row.
        batch_size: Images in a step.
    """

    def __init__(self, classifier: keras.Model, inputs: Inputs, batch_size: int):
        self.inputs, self.batch_size = inputs, batch_size

        @tf.function(input_signature=[tf.TensorSpec((batch_size, *inputs.shape[1:]), inputs.dtype)])
        def forward(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = classifier(tf.cast(values, tf.float32), training=False)
            return outputs["logit"][:, 0], outputs["embedding"]

        forward._omit_frequent_tracing_warning = True  # as in TrainingStep
        self._forward = forward

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return float32 logits [n] and embeddings [n, p] of `rows`."""

        def read(start: int) -> np.ndarray:
            # the last batch is filled up with its first images
            return self.inputs[np.resize(rows[start : start + self.batch_size], self.batch_size)]

        batches = read_ahead(read, range(0, len(rows), self.batch_size))
        found = [[tensor.numpy() for tensor in self._forward(values)] for values in batches]
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

    def __init__(self, parts: RunParts, prepared: Dataset, settings: Settings):
        self.parts, self.prepared = parts, prepared
        self.inference = Inference(parts.evaluated, prepared.inputs, settings.inference_batch)
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
        unlabelled = UnlabelledRows(self.prepared.inputs, parts, self.inference.batch_size)
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
        return mean_cross_entropy(self.prepared.labels[rows], logits, magnifications)

    def rows(self) -> np.ndarray:
        """Return the rows of batch statistics, int64 [batches, n]; a batch has as many of each source magnification."""
        rows = self.parts.plan.epoch_rows(0)  # steps, images, magnifications
        rows = rows.reshape(-1, rows.shape[-1])
        per_batch = max(1, min(_BATCH // rows.shape[-1], len(rows)))
        count = max(1, min(STATISTICS_IMAGES // (per_batch * rows.shape[-1]), len(rows) // per_batch))
        return rows[: count * per_batch].reshape(count, -1)

    def _batches(self) -> Iterator[np.ndarray]:
        return (self.prepared.inputs[rows].astype(np.float32) for rows in self.rows())
