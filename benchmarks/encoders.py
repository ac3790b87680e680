"""A training step of every built-in encoder, or with --embed a forward pass alone, against that of the default one."""

from __future__ import annotations

import click

from benchmarks.timing import compare

DEFAULT = "efficientnet_lite0"


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, help="Rounds; each times both encoders.")
@click.option("--size", default=128, show_default=True, help="Height and width.")
@click.option("--images", default=8, show_default=True, help="Images a step.")
@click.option("--embed", is_flag=True, help="The forward pass alone, as when embeddings are calculated.")
@click.option("--encoder", "chosen", multiple=True, help="Only this encoder (repeat for several).")
def main(rounds: int, size: int, images: int, embed: bool, chosen: tuple[str, ...]) -> None:
    from magsig_tf.execution.tensorflow_import import load_tensorflow

    load_tensorflow()
    import numpy as np
    import tensorflow as tf

    from magsig_tf.models.encoders import build_encoder
    from magsig_tf.registry import registry

    pixels = tf.constant(np.random.default_rng(0).uniform(0, 255, (images, size, size, 3)).astype("float32"))

    def forward(name):
        network = build_encoder(name, (size, size, 3), "none", seed=0)
        step = tf.function(lambda: network(pixels, training=False))
        return lambda: step().numpy()

    def training_step(name):
        network = build_encoder(name, (size, size, 3), "none", seed=0)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(network(pixels, training=True) ** 2)
            return loss, tape.gradient(loss, network.trainable_variables)

        return lambda: step()[0].numpy()

    timed = forward if embed else training_step
    default = timed(DEFAULT)
    for name in chosen or [name for name in registry("encoders").names() if name != DEFAULT]:
        calls = {name: timed(name), DEFAULT: default}
        compare(
            f"encoder {name} {size} px{' forward' if embed else ''}",
            calls,
            of=name,
            to=DEFAULT,
            rounds=rounds,
            images=images,
        )


if __name__ == "__main__":
    main()
