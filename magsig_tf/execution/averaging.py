"""A moving average of the weights, and batch statistics that belong to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

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


def estimate_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Give the model's batch norms the mean batch statistics over `batches`.

    The moving statistics of a trained model belong to its raw weights; averaged weights need their own
    (Izmailov et al. 2018, section 3.2).

    Args:
        model: Any Keras model; layers with `moving_mean`, `moving_variance` and `momentum` are served.
        batches: Float32 or uint8 pixels, [n, height, width, 3] each.
    """
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "moving_mean") and layer.trainable]
    variables = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    momenta = [layer.momentum for layer in layers for _ in range(2)]
    sums = [np.zeros(variable.shape, np.float32) for variable in variables]
    count = 0
    for pixels in batches if layers else ():
        for variable in variables:
            variable.assign(np.zeros(variable.shape, np.float32))
        model(pixels, training=True)
        # from zero, one update leaves (1 - momentum) times the batch's statistic
        for position, variable in enumerate(variables):
            sums[position] += variable.numpy() / (1.0 - momenta[position])
        count += 1
    for position, variable in enumerate(variables) if count else ():
        variable.assign(sums[position] / count)
