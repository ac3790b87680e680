"""A moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class WeightAverage:
    """Exponential moving average of variables.

    The decay rises as min(decay, (1 + step) / (10 + step)), so that early steps do not weigh the initial weights.

    Args:
        variables: The trainable variables to average.
        decay: In (0, 1).
    """

    def __init__(self, variables: Iterable[keras.Variable], decay: float):
        import keras

        self.variables, self.decay = list(variables), decay
        self.averages = [
            keras.Variable(v.numpy(), trainable=False, name=f"average_{i}") for i, v in enumerate(self.variables)
        ]

    def update(self, step: tf.Tensor) -> None:
        """Take one averaging step; runs in the graph, outside the replicas."""
        import tensorflow as tf

        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.averages, self.variables, strict=True):
            average.assign(decay * average.value + (1.0 - decay) * variable.value)
