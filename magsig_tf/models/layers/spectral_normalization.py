"""Spectral normalization: a linear layer divided by its largest singular value."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from magsig_tf.seeding import seed_for

SMALLEST = 1e-12
"""Below it a length counts as this: a kernel of zeros stays one."""


@keras.saving.register_keras_serializable(package="magsig")
class SpectralNormalization(keras.layers.Layer):
    """Divide a convolution or dense layer by the largest singular value of its kernel, then add a bias.

    The value is sigma = v W u with W the kernel as a matrix [inputs, outputs] and v, u from one power iteration a call
    (Miyato et al. 2018, algorithm 1); gradients pass through W in sigma, not through v and u. The layer is linear, so
    its outputs are divided in place of its kernel.

    `keras.layers.SpectralNormalization` divides the trained kernel in place and takes no gradient through sigma; under
    a mixed policy it rounds that kernel to the compute dtype at every step, which loses small updates, and the first
    vector of its power iteration is drawn without a seed.

    Args:
        layer: A layer with a `kernel` whose last axis is the outputs, without bias and activation.
        seed: Of the first vector of the power iteration.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        inputs: What the layer takes.
        training: Keep the vectors of this call's power iteration for the next one.
    """

    def __init__(self, layer: keras.layers.Layer, seed: int = 0, **kwargs: Any) -> None:
        # the kernel must be read in float32 here, while inputs and outputs keep the layer's precision
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        if getattr(layer, "use_bias", False):
            raise ValueError(f"{layer.name} must have no bias: this layer adds one after the division")
        self.layer, self.seed = layer, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the bias and the vector of the power iteration."""
        if not self.layer.built:
            self.layer.build(input_shape)
        outputs = self.layer.kernel.shape[-1]
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")
        first = keras.initializers.RandomNormal(seed=seed_for("power iteration", self.seed))
        self.vector = self.add_weight(shape=(1, outputs), initializer=first, trainable=False, name="vector")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the normalized layer's outputs in its compute dtype."""
        outputs = self.layer(inputs)
        matrix = tf.reshape(tf.convert_to_tensor(self.layer.kernel), [-1, self.layer.kernel.shape[-1]])
        fixed = tf.stop_gradient(matrix)
        left = _unit(tf.linalg.matmul(tf.convert_to_tensor(self.vector), fixed, transpose_b=True))
        right = _unit(tf.linalg.matmul(left, fixed))
        if training:
            self.vector.assign(right)
        largest = tf.reduce_sum(tf.linalg.matmul(left, matrix) * right)
        scale = tf.cast(1.0 / tf.maximum(largest, SMALLEST), outputs.dtype)
        return outputs * scale + tf.cast(tf.convert_to_tensor(self.bias), outputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer), "seed": self.seed}
        return {name: value for name, value in config.items() if name not in ("dtype", "autocast")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SpectralNormalization:
        """Rebuild the layer and the one inside."""
        return cls(keras.saving.deserialize_keras_object(config.pop("layer")), **config)


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.linalg.norm(vector), SMALLEST)
