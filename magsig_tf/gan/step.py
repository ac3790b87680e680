"""One training step of a GAN on all replicas, both networks at once, as one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.execution.runtime import replica_slices
from magsig_tf.seeding import seed_for

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from magsig_tf.gan.parts import GanParts


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
    import tensorflow as tf

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
    import tensorflow as tf

    return -synthetic if name == "hinge" else tf.nn.softplus(-synthetic)


class GanStep:
    """A compiled step that updates discriminator and generator from one forward pass of each.

    Both gradients are taken before either network moves, so that synthetic images and their logits are computed once.

    Args:
        parts: The networks, optimizers and strategy of the GAN.
    """

    def __init__(self, parts: GanParts):
        import tensorflow as tf

        self.parts = parts
        self._latent_seed = seed_for("gan latents", *parts.seed_names)
        self._change_seed = seed_for("gan augmentation", *parts.seed_names)
        self._compiled = tf.function(self._step, autograph=False)
        self._compiled._omit_frequent_tracing_warning = True  # one trace a GAN is right

    def __call__(self, images: np.ndarray, step: int) -> dict[str, tf.Tensor]:
        """Take global step `step` on this process's share of the real images; return scalars to log, not yet read."""
        import tensorflow as tf

        (images,) = replica_slices(self.parts.strategy, (images,), self.parts.options.gan_batch)
        return self._compiled(images, tf.constant(step, tf.int64))

    def _step(self, images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        logs = self.parts.strategy.run(self._replica_step, args=(images, step))
        if self.parts.average is not None:
            self.parts.average.update(step)
        reduce = self.parts.strategy.reduce
        return {name: reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in logs.items()}

    def _replica_step(self, images: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        parts, options = self.parts, self.parts.options
        latents, real_draws, synthetic_draws = self._draws(step)
        pixels = tf.cast(images, tf.float32) / 127.5 - 1.0
        generator, discriminator = parts.generator.trainable_variables, parts.discriminator.trainable_variables
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
            scaled_generator = parts.generator_optimizer.scale_loss(losses["generator"])
            scaled_discriminator = parts.discriminator_optimizer.scale_loss(losses["discriminator"])
        gradients = {
            "generator": generator_tape.gradient(scaled_generator, generator),
            "discriminator": discriminator_tape.gradient(scaled_discriminator, discriminator),
        }
        norms = {
            "generator": self._apply(gradients["generator"], generator, parts.generator_optimizer),
            "discriminator": self._apply(gradients["discriminator"], discriminator, parts.discriminator_optimizer),
        }
        return {
            **{f"{name}_loss": loss for name, loss in losses.items()},
            **{f"{name}_gradient_norm": norm for name, norm in norms.items()},
            "real_accuracy": self._share(real_logits > 0.0),
            "synthetic_accuracy": self._share(synthetic_logits <= 0.0),
        }

    def _draws(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return this replica's latent vectors and augmentation draws; all replicas together have those of one."""
        import tensorflow as tf

        from magsig_tf.models.diff_augment import DRAWS

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
        from magsig_tf.models.diff_augment import diff_augment

        return diff_augment(pixels, draws) if self.parts.options.gan_diffaugment else pixels

    def _apply(
        self, gradients: list[tf.Tensor], weights: list[keras.Variable], optimizer: keras.optimizers.Optimizer
    ) -> tf.Tensor:
        """Apply the sum of the replicas' gradients; return this replica's share of its norm."""
        import tensorflow as tf

        replicas = self.parts.strategy.num_replicas_in_sync
        if replicas > 1:
            # the optimizer adds up over replicas too, but the norm is needed of the sum: hand it equal shares
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients) / optimizer.scale_loss(tf.constant(1.0))
        gradients = [gradient / replicas for gradient in gradients] if replicas > 1 else gradients
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return norm / replicas

    def _share(self, right: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.reduce_sum(tf.cast(right, tf.float32)) / self.parts.options.gan_batch
