"""Everything one GAN trains with, built from its options in one place."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf.config import Settings
from magsig_tf.errors import UsageError
from magsig_tf.execution.evaluated_weights import BatchStatistics, WeightAverage
from magsig_tf.execution.runtime import resolve_strategy
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.sample import latent_vectors
from magsig_tf.gan_options import GanOptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MOMENTUM = 0.5
"""First moment decay of Adam; 0.9 made training oscillate (Radford et al. 2016, section 4)."""
STATISTICS_BATCHES = 8
"""Batches of latent vectors from which the evaluated generator's batch statistics come."""


@dataclass
class GanParts:
    """The networks, optimizers and strategy of one GAN.

    `evaluated` is a second generator outside the strategy: `put_weights_to_use` fills it, then it draws and is saved.
    """

    generator: keras.Model
    discriminator: keras.Model
    evaluated: keras.Model
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer
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
        self._statistics.estimate(self._latent_batches())

    @functools.cached_property
    def _statistics(self) -> BatchStatistics:
        return BatchStatistics(self.evaluated)

    def _latent_batches(self) -> Iterator[np.ndarray]:
        batch, length = self.options.gan_batch, self.options.gan_latent
        latents = latent_vectors(STATISTICS_BATCHES * batch, length, ("statistics", *self.seed_names))
        yield from latents.reshape(STATISTICS_BATCHES, batch, length)

    def variables(self) -> dict[str, Any]:
        """Return every variable that a resumed training needs, by name."""
        found: dict[str, Any] = {}
        for name in ("generator", "discriminator"):
            optimizer = getattr(self, f"{name}_optimizer")
            found |= {f"{name}/{i}": v for i, v in enumerate(getattr(self, name).weights)}
            found |= {f"optimizer.{name}/{i}": v for i, v in enumerate(optimizer.variables)}
        if self.average is not None:
            found |= {f"average/{i}": v for i, v in enumerate(self.average.averages)}
        return found

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
    from magsig_tf.models.dcgan import build_discriminator, build_generator
    from magsig_tf.models.fuse import synchronize_batch_normalization

    name, strategy = resolve_strategy(settings, workers)
    if options.gan_batch % strategy.num_replicas_in_sync:
        raise UsageError(
            f"Expected a gan_batch that {strategy.num_replicas_in_sync} replicas can share",
            f"found {options.gan_batch} images",
            "Change --set gan_batch",
        )

    def synchronized(network: keras.Model) -> keras.Model:
        return synchronize_batch_normalization(network) if settings.synchronized_batch_norm else network

    def generator() -> keras.Model:
        return synchronized(build_generator(size, options.gan_width, options.gan_latent, seed_names))

    evaluated = generator()
    with strategy.scope():
        trained = generator()
        discriminator = synchronized(
            build_discriminator(size, options.gan_width, options.gan_spectral_norm, seed_names)
        )
        average = WeightAverage(trained.trainable_variables, options.gan_ema) if options.gan_ema else None
        return GanParts(
            generator=trained,
            discriminator=discriminator,
            evaluated=evaluated,
            generator_optimizer=_optimizer(trained, options, precision),
            discriminator_optimizer=_optimizer(discriminator, options, precision),
            average=average,
            strategy=strategy,
            strategy_name=name,
            precision=precision,
            options=options,
            seed_names=seed_names,
        )


def _optimizer(network: keras.Model, options: GanOptions, precision: str) -> keras.optimizers.Optimizer:
    import keras

    optimizer = keras.optimizers.Adam(options.gan_learning_rate, beta_1=MOMENTUM)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer
