"""Depthwise and grouped convolutions that are quick on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

# oneDNN's depthwise kernel of the filter gradient takes filters of up to this many columns; wider ones fall to its
# kernel for ordinary convolutions, which multiplies sixteen channels with sixteen to keep the diagonal
WIDEST = 3


# the name is Keras's, because weight files name layers by their class: a file fits a model with either layer
@keras.saving.register_keras_serializable(package="magsig")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with quicker gradients on CPUs: wide filters, and strides in low precision.

    Configuration, weights and outputs are Keras's own, gradients equal but for rounding
    (docs/decisions/013-depthwise-gradients.md). Where it does not apply (a GPU, dilation, a depth multiplier, channels
    first, sizes unknown when the graph is traced) the inherited code runs.

    Args:
        *args: Those of `keras.layers.DepthwiseConv2D`.
        **kwargs: Those of `keras.layers.DepthwiseConv2D`.

    Call arguments:
        inputs: [batch, height, width, channels].
    """

    @staticmethod
    def serves(layer: keras.layers.DepthwiseConv2D) -> bool:
        """Return whether a layer's configuration has gradients that are quicker here than in Keras."""
        wide = layer.kernel_size[1] > WIDEST
        low_precision = layer.compute_dtype != "float32" and layer.strides[0] > 1
        return (
            (wide or low_precision)
            and layer.strides[0] == layer.strides[1]
            and tuple(layer.dilation_rate) == (1, 1)
            and layer.depth_multiplier == 1
            and layer.data_format == "channels_last"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the convolved inputs in the layer's compute dtype."""
        sizes_known = None not in tuple(inputs.shape[1:])
        if not (self.serves(self) and sizes_known) or tf.config.list_physical_devices("GPU"):
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = depthwise_convolution(inputs, kernel, self.strides[0], self.padding.upper())
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


def depthwise_convolution(images: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    """Convolve each channel with its own filter; the gradients take the kernels that are quick on a CPU.

    Args:
        images: [batch, height, width, channels], all but the batch known.
        kernel: [rows, columns, channels, 1], of the same dtype.
        stride: In both directions.
        padding: "SAME" or "VALID".

    Returns:
        What `tf.nn.depthwise_conv2d` returns.
    """

    @tf.custom_gradient
    def convolve(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            given = (images, kernel, upstream, stride, padding)
            return _images_gradient(*given), _kernel_gradient(*given)

        return tf.nn.depthwise_conv2d(images, kernel, [1, stride, stride, 1], padding), gradient

    return convolve(images, kernel)


def _images_gradient(images: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    # with strides oneDNN has no depthwise kernel of this gradient for bfloat16, and takes many times as long
    dtype = tf.float32 if stride > 1 else images.dtype
    both = {"filter": tf.cast(kernel, dtype), "out_backprop": tf.cast(upstream, dtype)}
    found = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        **both, input_sizes=tf.shape(images), strides=[1, stride, stride, 1], padding=padding
    )
    return tf.cast(found, images.dtype)


def _kernel_gradient(images: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    rows, columns = kernel.shape[:2]
    dtype, paddings = images.dtype, []
    if columns > WIDEST:
        # explicit padding keeps TensorFlow's own kernel, which is quick for any filter, but in float32 only
        dtype, paddings = tf.float32, [0, 0]
        for axis, window in ((1, rows), (2, columns)):
            paddings += _padding(images.shape[axis], upstream.shape[axis], window, stride, padding)
        padding, paddings = "EXPLICIT", [*paddings, 0, 0]
    both = {"input": tf.cast(images, dtype), "out_backprop": tf.cast(upstream, dtype)}
    found = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        **both, filter_sizes=kernel.shape, strides=[1, stride, stride, 1], padding=padding, explicit_paddings=paddings
    )
    return tf.cast(found, kernel.dtype)


def _padding(size: int, outputs: int, window: int, stride: int, padding: str) -> list[int]:
    total = max((outputs - 1) * stride + window - size, 0) if padding == "SAME" else 0
    return [total // 2, total - total // 2]


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

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Return the convolution without bias; each input channel gives filters / groups output channels."""
        height, width, _, filters = kernel.shape
        kernel = tf.reshape(kernel, (height, width, self.groups, filters // self.groups))
        strides, padding = (1, *self.strides, 1), self.padding.upper()
        return tf.nn.depthwise_conv2d(inputs, kernel, strides, padding, dilations=self.dilation_rate)

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
