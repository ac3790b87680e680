"""Standardisation by numbers that are set once, before training, and saved with the model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.linear_models.sparse_path import Scaling


@keras.saving.register_keras_serializable(package="magsig")
class Standardisation(keras.layers.Layer):
    """Return (inputs - mean) * factor, each dimension by itself; before `fit` mean is 0 and factor 1.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Input shape: [batch, p], floating point. Output shape: the same.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trainable=False, **{key: value for key, value in kwargs.items() if key != "trainable"})

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create mean and factor, float32 [p]."""
        options: dict[str, Any] = {"shape": (input_shape[-1],), "dtype": "float32", "trainable": False}
        self.mean = self.add_weight(initializer="zeros", name="mean", **options)
        self.factor = self.add_weight(initializer="ones", name="factor", **options)

    def fit(self, scaling: Scaling) -> None:
        """Set both; a constant dimension says nothing, and is 0 wherever it is met."""
        self.mean.assign(scaling.mean)
        self.factor.assign(np.where(scaling.constant, 0.0, 1.0 / scaling.scale))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the standardised inputs."""
        return (inputs - self.mean) * self.factor

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape
