"""A batch shared out among the replicas of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def replica_slices(strategy: tf.distribute.Strategy, arrays: Sequence[np.ndarray], global_batch: int) -> tuple:
    """Give each replica of this process a slice of its own from the process's share of the batch.

    Args:
        strategy: Over one or more replicas, in one or more processes.
        arrays: This process's share of the global batch, first axis images.
        global_batch: Images in a step over all replicas; they divide it.

    Returns:
        For each array a tensor, or with several replicas what `strategy.run` hands out to them.
    """
    import tensorflow as tf

    if strategy.num_replicas_in_sync == 1:
        return tuple(tf.constant(array) for array in arrays)
    share = global_batch // strategy.num_replicas_in_sync
    here = len(arrays[0]) // share

    def values_of(array: np.ndarray) -> Callable[[tf.distribute.experimental.ValueContext], tf.Tensor]:
        def value(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            first = context.replica_id_in_sync_group % here * share
            return tf.constant(array[first : first + share])

        return value

    return tuple(strategy.experimental_distribute_values_from_function(values_of(array)) for array in arrays)
