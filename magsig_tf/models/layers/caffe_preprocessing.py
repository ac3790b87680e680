"""The input convention of Keras's ResNet weights."""

from __future__ import annotations

import keras
import tensorflow as tf

# mean blue, green, red of ImageNet, as in keras.applications.imagenet_utils (mode "caffe")
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="magsig")
class CaffePreprocessing(keras.layers.Layer):
    """Turn RGB pixels 0..255 into BGR pixels with the ImageNet mean subtracted.

    Input shape: [batch, height, width, 3], RGB, 0..255. Output shape: the same, BGR, zero-centred, not scaled.

    Args:
        **kwargs: Those of `keras.layers.Layer`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the zero-centred BGR image."""
        return tf.reverse(inputs, axis=[-1]) - tf.constant(IMAGENET_MEAN_BGR, dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape
