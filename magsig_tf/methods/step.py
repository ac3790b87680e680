"""One replica's share of a training step, as a method sees it, and the whole batch, seen from inside one replica.

A step's objective is the sum of what the replicas return. A number that is computed from the whole batch is the same on
every replica, one or many, so each returns an equal share of it; the gradients of `gather` and `total` count on that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        return gather(values)

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
        return tf.math.divide_no_nan(total(sums), total(images))

    def share(self, value: tf.Tensor) -> tf.Tensor:
        """Return this replica's share of a number that every replica has computed from the whole batch."""
        return value / replica_count()


def replica_count() -> int:
    """Return how many replicas take this step together; 1 outside a replica."""
    context = _context()
    return context.num_replicas_in_sync if context else 1


def gather(values: tf.Tensor) -> tf.Tensor:
    """Return the replicas' rows one after another, in the order of the global batch.

    The gradient of a row is the sum of what the replicas want of it.

    Args:
        values: [n, ...], this replica's rows; every replica has as many.

    Returns:
        [global batch, ...].
    """
    import tensorflow as tf

    context = _context()
    if context is None:
        return values

    @tf.custom_gradient
    def gathered(rows: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        whole = context.all_gather(rows, axis=0)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return own_part(context.all_reduce(tf.distribute.ReduceOp.SUM, upstream))

        return whole, gradient

    return gathered(values) if values.dtype.is_floating else context.all_gather(values, axis=0)


def own_part(values: tf.Tensor) -> tf.Tensor:
    """Return this replica's rows of values of the whole batch, [global batch, ...] to [n, ...]."""
    import tensorflow as tf

    context = _context()
    if context is None:
        return values
    length = tf.shape(values)[0] // context.num_replicas_in_sync
    first = context.replica_id_in_sync_group * length
    return values[first : first + length]


def total(values: tf.Tensor) -> tf.Tensor:
    """Return the sum of the replicas' values, of the same shape; differentiable."""
    import tensorflow as tf

    context = _context()
    return values if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def _context() -> tf.distribute.ReplicaContext | None:
    """Return the context of a replica among others; None where there is one only, or a network is being built."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
