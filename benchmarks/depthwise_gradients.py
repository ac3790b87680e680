"""Gradients of depthwise convolutions, magsig's layer against Keras's: sizes of EfficientNet-Lite0, 32 images."""

from __future__ import annotations

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare

# precision, height and width, channels, filter side, stride
CASES = (
    ("float32", 56, 144, 5, 2),
    ("float32", 28, 240, 5, 1),
    ("float32", 14, 672, 5, 1),
    ("float32", 7, 1152, 5, 1),
    ("mixed_bfloat16", 112, 96, 3, 2),
    ("mixed_bfloat16", 14, 672, 5, 1),
    ("mixed_bfloat16", 14, 672, 5, 2),
)


@click.command(help=__doc__)
@rounds_option(9)
@quick_option
def main(rounds: int, quick: bool) -> None:
    from benchmarks.made_up_run import set_up_tensorflow

    set_up_tensorflow()
    import keras

    from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D

    images, rounds = (1, 1) if quick else (32, rounds)
    for precision, size, channels, side, stride in CASES[-1:] if quick else CASES:
        calls = {
            name: _gradients(layer(side, strides=stride, padding="same", dtype=precision), images, size, channels)
            for name, layer in (("magsig", DepthwiseConv2D), ("keras", keras.layers.DepthwiseConv2D))
        }
        compare(
            f"depthwise gradients {precision} {size}x{size}x{channels}, {side}x{side}, stride {stride}",
            calls,
            of="magsig",
            to="keras",
            rounds=rounds,
        )


def _gradients(layer, images: int, size: int, channels: int):
    import tensorflow as tf

    pixels = tf.cast(tf.random.stateless_normal((images, size, size, channels), seed=(0, 0)), layer.compute_dtype)
    layer.build(pixels.shape)

    @tf.function
    def backward():
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            outputs = layer(pixels)
        found = tape.gradient(outputs, [pixels, layer.trainable_variables[0]], output_gradients=outputs)
        # a corner of each, so that little goes back to the host
        return [tf.cast(gradient[0, 0, 0, 0], tf.float32) for gradient in found]

    return lambda: [value.numpy() for value in backward()]


if __name__ == "__main__":
    main()
