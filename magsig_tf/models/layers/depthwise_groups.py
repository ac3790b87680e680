"""Convolution with a group for each channel on TensorFlow's depthwise kernel."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="magsig")
class DepthwiseGroups(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with as many groups as input channels, several times faster on a CPU.

    Keras compiles grouped convolutions with XLA, which is slow on CPUs; this layer calls the depthwise kernel.
    Configuration, weights and their order are Keras's own, so weight files fit both.

    Args:
        *args: Those of `keras.layers.Conv2D`; `groups` must be the number of input channels, strides equal in height
            and width, data channels last, and strides or dilation 1.
        **kwargs: Those of `keras.layers.Conv2D`.

    Input shape: [batch, height, width, channels]. Output shape: [batch, height', width', filters].
    """

    def convolution_op(self, inputs, kernel):
        """Return the convolution without bias; each input channel gives filters / groups output channels."""
        height, width, _, filters = kernel.shape
        return tf.nn.depthwise_conv2d(
            inputs,
            tf.reshape(kernel, (height, width, self.groups, filters // self.groups)),
            strides=(1, *self.strides, 1),
            padding=self.padding.upper(),
            dilations=self.dilation_rate,
        )

    @staticmethod
    def serves(layer: keras.layers.Layer) -> bool:
        """Say whether this class can take the place of a layer that has been built."""
        return (
            type(layer) is keras.layers.Conv2D
            and layer.built
            and layer.groups > 1
            and layer.kernel.shape[2] == 1
            and layer.data_format == "channels_last"
            and layer.padding in ("same", "valid")
            and layer.strides[0] == layer.strides[1]
            and 1 in (max(layer.strides), max(layer.dilation_rate))
        )
