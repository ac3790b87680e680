"""One training step of a GAN on all replicas, both networks at once, as one graph; and the real images it sees."""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.execution.replica_slices import replica_slices
from magsig_tf.gan.networks import GanParts
from magsig_tf.models.dcgan import DRAWS, diff_augment
from magsig_tf.parallel_work import read_ahead
from magsig_tf.seeding import generator_for, seed_for


class RealBatches:
    """Real images in shuffled epochs that run on across batches, each turned by a random symmetry of the square.

    Which images a step sees is a pure function of (seed names, step). Tissue has no preferred orientation, so turns and
    flips make eight images of one without inventing anything.

    Args:
        images: uint8 [n, size, size, 3].
        batch: Images in a step; more than n shows some twice.
        seed_names: Names that order and turns derive from.
    """

    def __init__(self, images: np.ndarray, batch: int, seed_names: tuple[object, ...]):
        self.images, self.batch, self.seed_names = images, batch, seed_names
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def rows(self, step: int) -> np.ndarray:
        """Return the rows of global step `step`, int64 [batch]."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs, places = np.divmod(places, len(self.images))
        return np.array([self._order(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])

    def turned(self, step: int) -> np.ndarray:
        """Return the images of global step `step`, uint8 [batch, size, size, 3]."""
        symmetries = generator_for("gan turns", *self.seed_names, step).integers(0, 8, self.batch)
        images = self.images[self.rows(step)]
        for number in range(1, 8):
            chosen = symmetries == number
            turned = np.rot90(images[chosen], number % 4, axes=(1, 2))
            images[chosen] = turned[:, :, ::-1] if number >= 4 else turned
        return images

    def read(self, first: int, last: int, share: tuple[int, int] = (0, 1)) -> Generator[np.ndarray]:
        """Yield the images of the steps from `first` up to `last`, read ahead by a thread.

        Args:
            first: Global step to begin with.
            last: Global step to end before.
            share: (index, count): yield only the index-th of count equal slices of each batch.
        """
        index, count = share
        mine = slice(index * self.batch // count, (index + 1) * self.batch // count)
        yield from read_ahead(lambda step: self.turned(step)[mine], range(first, last))

    def _shuffled(self, epoch: int) -> np.ndarray:
        return generator_for("gan order", *self.seed_names, epoch).permutation(len(self.images))


def discriminator_terms(name: str, real: tf.Tensor, synthetic: tf.Tensor) -> tf.Tensor:
    """Return each pair's loss of the discriminator.

    Args:
        name: `non_saturating`: -log D(x) - log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1); `hinge`:
            max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim & Ye 2017; Miyato et al. 2018, equation 16).
        real: Logits of real images, [n, 1].
        synthetic: Logits of synthetic images, [n, 1].

    Returns:
        [n, 1], in nats for `non_saturating`.
    """
    if name == "hinge":
        return tf.nn.relu(1.0 - real) + tf.nn.relu(1.0 + synthetic)
    return tf.nn.softplus(-real) + tf.nn.softplus(synthetic)


def generator_terms(name: str, synthetic: tf.Tensor) -> tf.Tensor:
    """Return each synthetic image's loss of the generator.

    Args:
        name: `non_saturating`: -log D(G(z)) (Goodfellow et al. 2014, section 3); `hinge`: -D(G(z)) (Miyato et al. 2018,
            equation 17).
        synthetic: Logits of synthetic images, [n, 1].
    """
    return -synthetic if name == "hinge" else tf.nn.softplus(-synthetic)


class GanStep:
    """A compiled step that updates discriminator and generator from one forward pass of each.

    Both gradients are taken before either network moves, so that synthetic images and their logits are computed once.

    Args:
        parts: The networks, optimizers and strategy of the GAN.
    """

    def __init__(self, parts: GanParts):
        self.parts = parts
        self._latent_seed = seed_for("gan latents", *parts.seed_names)
        self._change_seed = seed_for("gan augmentation", *parts.seed_names)
        self._compiled = tf.function(self._step, autograph=False)
        self._compiled._omit_frequent_tracing_warning = True  # one trace a GAN is right

    def __call__(self, images: np.ndarray, step: int) -> dict[str, tf.Tensor]:
        """Take global step `step` on this process's share of the real images; return scalars to log, not yet read."""
        (images,) = replica_slices(self.parts.strategy, (images,), self.parts.options.gan_batch)
        return self._compiled(images, tf.constant(step, tf.int64))

    def _step(self, images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        logs = self.parts.strategy.run(self._replica_step, args=(images, step))
        if self.parts.average is not None:
            self.parts.average.update(step)
        reduce = self.parts.strategy.reduce
        return {name: reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in logs.items()}

    def _replica_step(self, images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        parts, options, optimizers = self.parts, self.parts.options, self.parts.optimizers
        latents, real_draws, synthetic_draws = self._draws(step)
        pixels = tf.cast(images, tf.float32) / 127.5 - 1.0
        # two tapes: the discriminator's loss has no gradient to send through the generator
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            with discriminator_tape.stop_recording():
                synthetic = self._changed(parts.generator(latents, training=True), synthetic_draws)
            real_logits = parts.discriminator(self._changed(pixels, real_draws), training=True)
            synthetic_logits = parts.discriminator(synthetic, training=True)
            losses = {
                "generator": tf.reduce_sum(generator_terms(options.gan_loss, synthetic_logits)),
                "discriminator": tf.reduce_sum(discriminator_terms(options.gan_loss, real_logits, synthetic_logits)),
            }
            losses = {name: loss / options.gan_batch for name, loss in losses.items()}
            scaled = {name: optimizers[name].scale_loss(loss) for name, loss in losses.items()}
        tapes = {"generator": generator_tape, "discriminator": discriminator_tape}
        weights = {name: getattr(parts, name).trainable_variables for name in tapes}
        gradients = {name: tape.gradient(scaled[name], weights[name]) for name, tape in tapes.items()}
        norms = {name: self._apply(gradients[name], weights[name], optimizers[name]) for name in tapes}
        return {
            **{f"{name}_loss": loss for name, loss in losses.items()},
            **{f"{name}_gradient_norm": norm for name, norm in norms.items()},
            "real_accuracy": self._share(real_logits > 0.0),
            "synthetic_accuracy": self._share(synthetic_logits <= 0.0),
        }

    def _draws(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return this replica's latent vectors and augmentation draws; all replicas together have those of one."""
        batch, replicas = self.parts.options.gan_batch, self.parts.strategy.num_replicas_in_sync
        share = batch // replicas
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * share

        def mine(draws: tf.Tensor) -> tf.Tensor:
            return draws if replicas == 1 else tf.slice(draws, [first, 0], [share, draws.shape[1]])

        def seed(names_seed: int) -> tf.Tensor:
            return tf.stack([tf.constant(names_seed, tf.int64), step])

        latents = tf.random.stateless_normal([batch, self.parts.options.gan_latent], seed(self._latent_seed))
        changes = tf.random.stateless_uniform([2, batch, DRAWS], seed(self._change_seed))
        return mine(latents), mine(changes[0]), mine(changes[1])

    def _changed(self, pixels: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        return diff_augment(pixels, draws) if self.parts.options.gan_diffaugment else pixels

    def _apply(
        self, gradients: list[tf.Tensor], weights: list[keras.Variable], optimizer: keras.optimizers.Optimizer
    ) -> tf.Tensor:
        """Apply the sum of the replicas' gradients; return this replica's share of its norm."""
        replicas = self.parts.strategy.num_replicas_in_sync
        if replicas > 1:
            # the optimizer adds up over replicas too, but the norm is needed of the sum: hand it equal shares
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients) / optimizer.scale_loss(tf.constant(1.0))
        gradients = [gradient / replicas for gradient in gradients] if replicas > 1 else gradients
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return norm / replicas

    def _share(self, right: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(right, tf.float32)) / self.parts.options.gan_batch
