"""What a vision transformer does to its tokens outside attention."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="magsig")
class PatchTokens(keras.layers.Layer):
    """Turn a map of patches into tokens: the class token first, then register tokens, then the patches row by row.

    Positions are added to class token and patches, not to registers (Darcet et al. 2024).

    Args:
        registers: Number of register tokens.
        **kwargs: Those of `keras.layers.Layer`.

    Input shape: [batch, rows, columns, width]. Output shape: [batch, 1 + registers + rows * columns, width].
    """

    def __init__(self, registers: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.registers = registers

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the class token, the positions and the register tokens."""
        width, patches = input_shape[-1], _patches(input_shape)
        small = keras.initializers.TruncatedNormal(stddev=0.02)
        self.class_token = self.add_weight(name="class_token", shape=(1, 1, width), initializer=small)
        positions = (1, 1 + patches, width)
        self.positions = self.add_weight(name="positions", shape=positions, initializer=small)
        if self.registers:
            shape = (1, self.registers, width)
            self.register_tokens = self.add_weight(name="register_tokens", shape=shape, initializer=small)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the tokens."""
        batch, width = tf.shape(inputs)[0], inputs.shape[-1]
        patches = tf.reshape(inputs, (batch, inputs.shape[1] * inputs.shape[2], width))
        positions = tf.convert_to_tensor(self.positions)
        parts = [self._repeated(self.class_token + positions[:, :1], batch)]
        if self.registers:
            parts.append(self._repeated(tf.convert_to_tensor(self.register_tokens), batch))
        return tf.concat([*parts, patches + positions[:, 1:]], axis=1)

    def _repeated(self, token: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        return tf.repeat(token, batch, axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [batch, tokens, width]."""
        return input_shape[0], 1 + self.registers + _patches(input_shape), input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "registers": self.registers}


def _patches(shape: tuple[int | None, ...]) -> int:
    _, rows, columns, _ = shape
    if rows is None or columns is None:
        raise ValueError("the number of patches must be known")
    return rows * columns


@keras.saving.register_keras_serializable(package="magsig")
class ChannelScale(keras.layers.Layer):
    """Multiply each channel by a weight of its own (LayerScale, Touvron et al. 2021).

    Args:
        **kwargs: Those of `keras.layers.Layer`.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the scaled inputs."""
        return inputs * tf.convert_to_tensor(self.scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="magsig")
class ClassToken(keras.layers.Layer):
    """Take the first token of each image: [batch, tokens, width] -> [batch, width].

    Args:
        **kwargs: Those of `keras.layers.Layer`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the first token."""
        return inputs[:, 0]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [batch, width]."""
        return input_shape[0], input_shape[-1]
