"""The affine map of an eraser as a layer, so that a saved model erases as the run did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="magsig")
class Erasure(keras.layers.Layer):
    """Return x - U V'(x - mean); see `magsig_tf.linear_models.erasure.Eraser`.

    Args:
        rank: Number of directions.
        **kwargs: Those of `keras.layers.Layer`.

    Input shape: [batch, p], floating point. Output shape: the same.
    """

    def __init__(self, rank: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **{key: value for key, value in kwargs.items() if key != "trainable"})
        self.rank = rank

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create mean [p], directions U and readers V, [p, rank] each, all 0: nothing is taken away."""
        length = input_shape[-1]
        options: dict[str, Any] = {"initializer": "zeros", "dtype": "float32", "trainable": False}
        self.mean = self.add_weight(shape=(length,), name="mean", **options)
        self.directions = self.add_weight(shape=(length, self.rank), name="directions", **options)
        self.readers = self.add_weight(shape=(length, self.rank), name="readers", **options)

    def fit(self, mean: np.ndarray, directions: np.ndarray, readers: np.ndarray) -> None:
        """Set all three."""
        self.mean.assign(mean)
        self.directions.assign(directions)
        self.readers.assign(readers)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the erased inputs."""
        along = tf.matmul(inputs - self.mean, self.readers)
        return inputs - tf.matmul(along, self.directions, transpose_b=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "rank": self.rank}
