"""Gradient reversal: the identity forwards, minus lambda times the gradient backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


@tf.custom_gradient
def _reverse(inputs: tf.Tensor, strength: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        # float32 throughout: a small lambda times a float16 gradient would underflow
        reversed_gradient = -strength * tf.cast(upstream, tf.float32)
        return tf.cast(reversed_gradient, upstream.dtype), None

    return tf.identity(inputs), gradient


@keras.saving.register_keras_serializable(package="magsig")
class GradientReversal(keras.layers.Layer):
    """Pass inputs on unchanged and multiply the gradient that comes back by `-strength`.

    The strength (lambda) is a float32 variable and no part of the traced graph: `layer.strength.assign(0.3)` takes
    effect in the next step without a retrace. It is saved with the weights.

    Args:
        strength: First value of lambda, >= 0.
        **kwargs: Those of `keras.layers.Layer`.

    Input shape: any, floating point. Output shape: the same.

    Reference: Ganin et al. 2016, Domain-adversarial training of neural networks, JMLR 17(59).
    """

    def __init__(self, strength: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_strength = float(strength)
        self.supports_masking = True
        first = keras.initializers.Constant(self.initial_strength)
        self.strength = self.add_weight(
            shape=(), initializer=first, dtype="float32", trainable=False, autocast=False, name="strength"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing depends on the input's shape."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return `inputs`; the gradient is reversed on the way back."""
        return _reverse(inputs, tf.convert_to_tensor(self.strength))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the present lambda is a weight, not configuration."""
        return {**super().get_config(), "strength": self.initial_strength}
