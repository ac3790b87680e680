"""A training step of ConvNeXt-Tiny with its grouped convolutions on the depthwise kernel, against Keras's own."""

from __future__ import annotations

import click

from benchmarks.timing import compare


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, help="Rounds; each times both networks.")
@click.option(
    "--size", "sizes", multiple=True, type=int, default=(64, 128), show_default=True, help="Height and width."
)
@click.option("--images", default=8, show_default=True, help="Images a step.")
def main(rounds: int, sizes: tuple[int, ...], images: int) -> None:
    from magsig_tf.execution.tensorflow_import import load_tensorflow

    load_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from magsig_tf.models.fuse import swap_grouped_convolution

    for size in sizes:
        stock = keras.applications.ConvNeXtTiny(
            include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg"
        )
        pixels = tf.constant(np.random.default_rng(0).uniform(0, 255, (images, size, size, 3)).astype("float32"))
        calls = {}
        for name, network in {"keras": stock, "depthwise": swap_grouped_convolution(stock)}.items():

            @tf.function
            def step(network=network, pixels=pixels):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(network(pixels, training=True) ** 2)
                return loss, tape.gradient(loss, network.trainable_variables)

            calls[name] = lambda step=step: step()[0].numpy()
        compare(f"grouped convolution {size} px", calls, of="depthwise", to="keras", rounds=rounds, images=images)


if __name__ == "__main__":
    main()
