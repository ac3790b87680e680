"""magsig's augmentation layers against the nearest layers of Keras: 64 images, two sizes."""

from __future__ import annotations

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare

PAIRS = (
    ("QuarterTurns", "RandomFlip", {}),
    ("CropZoom", "RandomZoom", {"height_factor": 0.2}),
    ("StainJitter", "RandomHue", {"factor": 0.2}),
)


@click.command(help=__doc__)
@rounds_option(7)
@quick_option
@click.option(
    "--size", "sizes", multiple=True, type=int, default=(64, 224), show_default=True, help="Height and width."
)
def main(rounds: int, quick: bool, sizes: tuple[int, ...]) -> None:
    from magsig_tf.execution.tensorflow_import import load_tensorflow

    load_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from magsig_tf.models.augmentation import build_augmentation

    count, rounds, sizes = (4, 1, (16,)) if quick else (64, rounds, sizes)
    for size in sizes:
        pixels = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")
        images = tf.constant(pixels)
        for ours, theirs, arguments in PAIRS:
            layers = {
                ours: build_augmentation([ours], seed=0),
                f"keras {theirs}": keras.Sequential([getattr(keras.layers, theirs)(**arguments)]),
            }
            calls = {}
            for name, layer in layers.items():
                function = tf.function(lambda batch, layer=layer: layer(batch, training=True))
                calls[name] = lambda function=function, images=images: function(images).numpy()
            compare(f"augmentation {ours} {size} px", calls, of=ours, to=f"keras {theirs}", rounds=rounds, images=count)


if __name__ == "__main__":
    main()
