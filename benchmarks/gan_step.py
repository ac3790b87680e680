"""The training step of a GAN against the same networks of Keras's own layers with `train_on_batch`: 64 px, 64 images.

Both without DiffAugment, which the stock recipe lacks. That recipe updates the discriminator on real and then on
synthetic images, then the generator; magsig takes one update of each from the same losses, and averages the generator's
weights, measures gradient norms and turns the real images besides.
"""

from __future__ import annotations

import click
import numpy as np

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare
from magsig_tf.seeding import generator_for

TARGETS = {64: 1.15, 32: 1.3, 16: None}
"""Base width -> ratio to reach; these widths are timed."""
LATENT = 100


@click.command(help=__doc__)
@rounds_option(9)
@quick_option
@click.option("--width", "widths", multiple=True, type=int, default=tuple(TARGETS), show_default=True)
@click.option("--size", default=64, show_default=True, help="Height and width in pixels.")
@click.option("--batch", default=64, show_default=True, help="Real images in a step.")
def main(rounds: int, quick: bool, widths: tuple[int, ...], size: int, batch: int) -> None:
    from benchmarks.made_up_run import set_up_tensorflow

    set_up_tensorflow()
    if quick:
        size, batch, rounds, widths = 16, 4, 1, (4,)
    images = generator_for("benchmark pixels").integers(0, 256, (4 * batch, size, size, 3), np.uint8)
    for width in widths:
        compare(
            f"step of a GAN {size} px, base width {width}, {batch} images",
            {"magsig": OurStep(images, width, batch), "train_on_batch": StockStep(images, width, batch)},
            of="magsig",
            to="train_on_batch",
            rounds=rounds,
            target=TARGETS.get(width),
        )


class OurStep:
    """magsig's step, called without an argument; returns once it is done.

    Args:
        images: uint8 [n, size, size, 3].
        width: Base width.
        batch: Images in a step.
    """

    def __init__(self, images: np.ndarray, width: int, batch: int):
        from magsig_tf.config import Settings
        from magsig_tf.gan.step import GanStep, RealBatches, build_gan
        from magsig_tf.models.gan_options import GanOptions

        options = GanOptions(gan_width=width, gan_batch=batch, gan_latent=LATENT, gan_diffaugment=False)
        self.batches = RealBatches(images, batch, ("benchmark",))
        self.step = GanStep(build_gan(images.shape[1], options, Settings(strategy="one"), "float32", ("benchmark",)))
        self.taken = 0

    def __call__(self) -> float:
        logs = self.step(self.batches.turned(self.taken), self.taken)
        self.taken += 1
        return float(logs["generator_loss"])


class StockStep:
    """The usual Keras recipe: the discriminator on real, then on synthetic images, then the generator through it.

    Args:
        images: As in `OurStep`; so are the others.
        width: Base width.
        batch: Images in a step.
    """

    def __init__(self, images: np.ndarray, width: int, batch: int):
        import keras

        from magsig_tf.models.dcgan import build_discriminator, build_generator
        from magsig_tf.models.fuse import swap_batch_normalization

        names = ("benchmark",)
        generator = build_generator(images.shape[1], width, LATENT, names)
        self.generator = swap_batch_normalization(generator, fused=False)
        discriminator = build_discriminator(images.shape[1], width, False, names)
        self.discriminator = swap_batch_normalization(discriminator, fused=False)
        self.images, self.batch, self.taken = images, batch, 0
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.discriminator.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)
        self._train_discriminator(np.zeros((batch, LATENT), np.float32))  # traced while it is trainable
        self.discriminator.trainable = False
        latent = keras.Input((LATENT,))
        self.combined = keras.Model(latent, self.discriminator(self.generator(latent)))
        self.combined.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)

    def __call__(self) -> float:
        random = generator_for("benchmark latents", self.taken)
        self.taken += 1
        self._train_discriminator(self._latents(random))
        return float(self.combined.train_on_batch(self._latents(random), np.ones((self.batch, 1), np.float32)))

    def _train_discriminator(self, latents: np.ndarray) -> None:
        rows = generator_for("benchmark rows", self.taken).integers(0, len(self.images), self.batch)
        real = self.images[rows].astype(np.float32) / 127.5 - 1.0
        self.discriminator.train_on_batch(real, np.ones((self.batch, 1), np.float32))
        synthetic = self.generator.predict_on_batch(latents)
        self.discriminator.train_on_batch(synthetic, np.zeros((self.batch, 1), np.float32))

    def _latents(self, random: np.random.Generator) -> np.ndarray:
        return random.standard_normal((self.batch, LATENT)).astype(np.float32)


if __name__ == "__main__":
    main()
