"""Depthwise convolution whose filter gradient stays on the quick kernel of CPUs."""

from __future__ import annotations

import keras
import tensorflow as tf

# oneDNN's depthwise kernel of the filter gradient takes filters of up to this many columns; wider ones fall to the
# kernel of ordinary convolutions, which multiplies sixteen channels with sixteen to keep the diagonal
WIDEST = 3


# the name is Keras's, because weight files name layers by their class: a file fits a model with either layer
@keras.saving.register_keras_serializable(package="magsig")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with a quicker filter gradient on CPUs for filters wider than three columns.

    The gradient is computed for up to three columns of the filter at a time (docs/decisions/012-depthwise-gradient.md).
    Configuration, weights, outputs and the gradient of the inputs are Keras's own. Where it does not apply (a GPU,
    dilation, a depth multiplier, channels first, sizes unknown when the graph is traced) the inherited code runs.

    Args:
        *args: Those of `keras.layers.DepthwiseConv2D`.
        **kwargs: Those of `keras.layers.DepthwiseConv2D`.

    Call arguments:
        inputs: [batch, height, width, channels].
    """

    def call(self, inputs):
        """Return the convolved inputs in the layer's compute dtype."""
        if not self._splits(inputs):
            return super().call(inputs)
        outputs = depthwise_convolution(
            inputs, tf.convert_to_tensor(self.kernel), self.strides[0], self.padding.upper()
        )
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)

    def _splits(self, inputs) -> bool:
        return (
            self.kernel_size[1] > WIDEST
            and self.strides[0] == self.strides[1]
            and tuple(self.dilation_rate) == (1, 1)
            and self.depth_multiplier == 1
            and self.data_format == "channels_last"
            and None not in tuple(inputs.shape[1:])
            and not tf.config.list_physical_devices("GPU")
        )


def depthwise_convolution(images: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    """Convolve each channel with its own filter; the filter gradient is computed a few columns at a time.

    Args:
        images: [batch, height, width, channels], all but the batch known.
        kernel: [rows, columns, channels, 1].
        stride: In both directions.
        padding: "SAME" or "VALID".

    Returns:
        What `tf.nn.depthwise_conv2d` returns.
    """
    strides = [1, stride, stride, 1]

    @tf.custom_gradient
    def convolve(images, kernel):
        def gradient(upstream):
            images_gradient = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images), filter=kernel, out_backprop=upstream, strides=strides, padding=padding
            )
            return images_gradient, _filter_gradient(images, kernel.shape, upstream, stride, padding)

        return tf.nn.depthwise_conv2d(images, kernel, strides, padding), gradient

    return convolve(images, kernel)


def _filter_gradient(images, kernel_shape, upstream, stride: int, padding: str):
    rows, columns, channels, _ = kernel_shape
    above, below = _padding(images.shape[1], upstream.shape[1], rows, stride, padding)
    left, _ = _padding(images.shape[2], upstream.shape[2], columns, stride, padding)
    pieces = []
    for first in range(0, columns, WIDEST):
        width = min(WIDEST, columns - first)
        begin = first - left
        end = begin + (upstream.shape[2] - 1) * stride + width
        # the kernel pads by half the filter at most; what is beyond is cut out or padded here
        inside_left = min(max(-begin, 0), width // 2)
        inside_right = min(max(end - images.shape[2], 0), width // 2)
        pieces.append(
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=_columns(images, begin + inside_left, end - inside_right),
                filter_sizes=[rows, width, channels, 1],
                out_backprop=upstream,
                strides=[1, stride, stride, 1],
                padding="EXPLICIT",
                explicit_paddings=[0, 0, above, below, inside_left, inside_right, 0, 0],
            )
        )
    return tf.concat(pieces, axis=1)


def _padding(size: int, outputs: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    if padding == "VALID":
        return 0, 0
    total = max((outputs - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def _columns(images, begin: int, end: int):
    """Return the columns from `begin` to before `end`, zero where there are none."""
    width = images.shape[2]
    first, last = min(max(begin, 0), width), max(min(end, width), 0)
    inside = images[:, :, first : max(last, first)]
    left = min(max(-begin, 0), end - begin)
    right = end - begin - left - max(last - first, 0)
    return tf.pad(inside, [[0, 0], [0, 0], [left, right], [0, 0]]) if left or right else inside
