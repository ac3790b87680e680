"""One replica's share of a training step, as a method sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magsig_tf.methods import replicas

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass
class StepTensors:
    """One replica's share of one training step.

    Every pass through the network in one step has the same dropout mask, and the first one alone moves the moving
    statistics. So `step.forward(step.pixels)` gives the embedding and the logits of the step, and
    `step.head(step.embedding)` its logits.

    Args:
        labels: float32 [n, 1], 1 is malignant; numbers between where `batch` mixed labels.
        domains: int32 [n], index into `Task.source_magnifications`.
        embedding: float32 [n, p].
        logits: float32 [n, 1] of the label head.
        progress: float32 scalar in [0, 1), share of training done.
        global_batch: Images in the step over all replicas.
        domain_count: Number of source magnifications.
        cases: int32 [n], index of each image's case.
        pixels: float32 [n, height, width, 3] in 0 to 255, augmented and mixed, as the network saw them.
        forward: Pixels of as many images to their embedding and logits, in training mode.
        head: Embedding [n, p] to logits [n, 1], in training mode.
    """

    labels: tf.Tensor
    domains: tf.Tensor
    embedding: tf.Tensor
    logits: tf.Tensor
    progress: tf.Tensor
    global_batch: int
    domain_count: int | None = None
    cases: tf.Tensor | None = None
    pixels: tf.Tensor | None = None
    forward: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None
    head: Callable[[tf.Tensor], tf.Tensor] | None = None

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Return this replica's share of the mean of per-image values over the global batch (sum the replicas)."""
        import tensorflow as tf

        return tf.reduce_sum(tf.cast(values, tf.float32)) / self.global_batch

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """Return per-image values [n, ...] of the whole batch, [global_batch, ...] in its order; differentiable.

        What is computed from them is the same on every replica: return `step.share` of it.
        """
        return replicas.gather(values)

    def per_domain_mean(self, values: tf.Tensor) -> tf.Tensor:
        """Return the means over the whole batch of per-image values [n, ...] at each source magnification.

        What is computed from them is the same on every replica: return `step.share` of it.

        Returns:
            float32 [domains, ...], in the order of the domain labels; differentiable.
        """
        import tensorflow as tf

        values = tf.cast(values, tf.float32)
        sums = tf.math.unsorted_segment_sum(values, self.domains, self.domain_count)
        images = tf.math.unsorted_segment_sum(tf.ones_like(values), self.domains, self.domain_count)
        return tf.math.divide_no_nan(replicas.total(sums), replicas.total(images))

    def share(self, value: tf.Tensor) -> tf.Tensor:
        """Return this replica's share of a number that every replica has computed from the whole batch."""
        return value / replicas.replica_count()
