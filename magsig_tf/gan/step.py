"""What one GAN trains with, the real images it sees, and its training step: both networks at once, as one graph."""

from __future__ import annotations

import functools
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.config import Settings
from magsig_tf.errors import UsageError
from magsig_tf.execution.evaluated_weights import BatchStatistics, WeightAverage
from magsig_tf.execution.runtime import replica_slices, resolve_strategy
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.models.dcgan import DRAWS, build_discriminator, build_generator, diff_augment, latent_vectors
from magsig_tf.models.fuse import synchronize_batch_normalization
from magsig_tf.models.gan_options import GanOptions
from magsig_tf.parallel_work import read_ahead
from magsig_tf.seeding import generator_for, seed_for

MOMENTUM = 0.5
"""First moment decay of Adam; 0.9 made training oscillate (Radford et al. 2016, section 4)."""
STATISTICS_BATCHES = 8
"""Batches of latent vectors from which the evaluated generator's batch statistics come."""


@dataclass
class GanParts:
    """The networks, optimizers and strategy of one GAN.

    `evaluated` is a second generator outside the strategy: `put_weights_to_use` fills it, then it draws and is saved.
    The optimizers are those of `generator` and `discriminator`, by name.
    """

    generator: keras.Model
    discriminator: keras.Model
    evaluated: keras.Model
    optimizers: dict[str, keras.optimizers.Optimizer]
    average: WeightAverage | None
    strategy: tf.distribute.Strategy
    strategy_name: str
    precision: str
    options: GanOptions
    seed_names: tuple[object, ...]

    def put_weights_to_use(self) -> None:
        """Give `evaluated` the generator's weights, or their moving average, with batch statistics of their own."""
        values = {id(variable): variable for variable in self.generator.weights}
        if self.average is not None:
            values |= {id(v): mean for v, mean in zip(self.average.variables, self.average.averages, strict=True)}
        for target, variable in zip(self.evaluated.weights, values.values(), strict=True):
            target.assign(variable.numpy())
        batch, length = self.options.gan_batch, self.options.gan_latent
        latents = latent_vectors(STATISTICS_BATCHES * batch, length, ("statistics", *self.seed_names))
        self._statistics.estimate(latents.reshape(STATISTICS_BATCHES, batch, length))

    @functools.cached_property
    def _statistics(self) -> BatchStatistics:
        return BatchStatistics(self.evaluated)

    def variables(self) -> dict[str, Any]:
        """Return every variable that a resumed training needs, by name."""
        groups: dict[str, Any] = {}
        for name, optimizer in self.optimizers.items():
            groups |= {name: getattr(self, name).weights, f"optimizer.{name}": optimizer.variables}
        groups["average"] = self.average.averages if self.average is not None else []
        return {f"{name}/{i}": variable for name, group in groups.items() for i, variable in enumerate(group)}

    def evaluated_variables(self) -> dict[str, Any]:
        """Return the variables of the generator that draws, by name."""
        return {f"generator/{i}": v for i, v in enumerate(self.evaluated.weights)}


def build_gan(
    size: int,
    options: GanOptions,
    settings: Settings,
    precision: str,
    seed_names: tuple[object, ...],
    workers: Workers = ALONE,
) -> GanParts:
    """Build what one GAN trains with, under the dtype policy that is set.

    Args:
        size: Height and width of its images, in pixels.
        options: Its own.
        settings: Strategy and synchronized batch norms are taken from it.
        precision: The one to use, not `auto`.
        seed_names: Names that every draw of this GAN derives from.
        workers: The processes that train it.

    Raises:
        UsageError: the batch cannot be divided among the replicas, or there is no architecture for the size.
    """
    name, strategy = resolve_strategy(settings, workers)
    if options.gan_batch % strategy.num_replicas_in_sync:
        raise UsageError(
            f"Expected a gan_batch that {strategy.num_replicas_in_sync} replicas can share",
            f"found {options.gan_batch} images",
            "Change --set gan_batch",
        )
    width = options.gan_width
    synchronized = synchronize_batch_normalization if settings.synchronized_batch_norm else lambda network: network

    def generator() -> keras.Model:
        return synchronized(build_generator(size, width, options.gan_latent, seed_names))

    evaluated = generator()
    with strategy.scope():
        trained = generator()
        discriminator = synchronized(build_discriminator(size, width, options.gan_spectral_norm, seed_names))
        average = WeightAverage(trained.trainable_variables, options.gan_ema) if options.gan_ema else None
        networks = {"generator": trained, "discriminator": discriminator}
        optimizers = {each: _optimizer(network, options, precision) for each, network in networks.items()}
    return GanParts(
        trained, discriminator, evaluated, optimizers, average, strategy, name, precision, options, seed_names
    )


def _optimizer(network: keras.Model, options: GanOptions, precision: str) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(options.gan_learning_rate, beta_1=MOMENTUM)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


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
        self._order = functools.lru_cache(4)(
            lambda epoch: generator_for("gan order", *seed_names, epoch).permutation(len(images))
        )

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
