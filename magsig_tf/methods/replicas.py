"""The whole batch, seen from inside one replica: the same numbers on one replica and on many.

A step's objective is the sum of what the replicas return. A number that is computed from the whole batch is the same on
every replica, so each returns an equal share of it; the gradients here count on that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


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
