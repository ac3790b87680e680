"""The networks of one GAN, built from its options in one place, and how a generator draws."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.atomic_files import read_json
from magsig_tf.config import Settings
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.averaging import WeightAverage
from magsig_tf.execution.batch_statistics import BatchStatistics
from magsig_tf.execution.resumable_folder import check_identity
from magsig_tf.execution.runtime import resolve_strategy
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan_options import GanOptions
from magsig_tf.models.dcgan import build_discriminator, build_generator
from magsig_tf.models.fuse import synchronize_batch_normalization
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.seeding import generator_for

RECORD, GENERATOR = "gan.json", "generator.keras"
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
    synchronized = synchronize_batch_normalization if settings.synchronized_batch_norm else lambda network: network

    def generator() -> keras.Model:
        return synchronized(build_generator(size, options.gan_width, options.gan_latent, seed_names))

    evaluated = generator()
    with strategy.scope():
        trained = generator()
        discriminator = synchronized(
            build_discriminator(size, options.gan_width, options.gan_spectral_norm, seed_names)
        )
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


def latent_vectors(count: int, length: int, seed_names: tuple[object, ...]) -> np.ndarray:
    """Return standard normal vectors, float32 [count, length]."""
    return generator_for("gan samples", *seed_names).standard_normal((count, length)).astype(np.float32)


class Sampler:
    """Images of latent vectors, in batches of one size so that nothing is traced twice.

    Args:
        generator: Maps [n, latent] to pixels in [-1, 1].
        batch: Images in a step.
    """

    def __init__(self, generator: keras.Model, batch: int):
        self.generator, self.batch = generator, batch

        @tf.function(input_signature=[tf.TensorSpec((batch, generator.input_shape[-1]), tf.float32)], autograph=False)
        def draw(latents: tf.Tensor) -> tf.Tensor:
            pixels = generator(latents, training=False)
            return tf.cast(tf.clip_by_value(tf.round((pixels + 1.0) * 127.5), 0.0, 255.0), tf.uint8)

        draw._omit_frequent_tracing_warning = True  # one trace a GAN is right
        self._draw = draw

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Return uint8 [n, size, size, 3] for latent vectors [n, latent]."""
        drawn = np.empty((len(latents), *self.generator.output_shape[1:]), np.uint8)
        for first in range(0, len(latents), self.batch):
            chosen = latents[first : first + self.batch]
            padded = np.pad(chosen, ((0, self.batch - len(chosen)), (0, 0)))
            drawn[first : first + self.batch] = self._draw(padded).numpy()[: len(chosen)]
        return drawn


def load_generator(part_folder: Path, identity: Mapping[str, str]) -> keras.Model:
    """Return the generator of a finished GAN.

    Args:
        part_folder: Its folder.
        identity: Hashes that its `gan.json` must carry, those of data set and split.

    Raises:
        RunError: it is missing or not finished, or belongs to another data set or split.
        DataError: its file is damaged.
    """
    record = read_json(part_folder / RECORD) if (part_folder / RECORD).exists() else {}
    if record.get("status") != "done":
        found = f"found one that is {record['status']}" if record.get("status") else "found none"
        raise RunError(f"Expected a trained GAN in {part_folder}", found, "Run `magsig gan` for this fold")
    check_identity(record, identity, part_folder, "GAN")
    return load_saved_model(part_folder / GENERATOR)


def sample(generator: keras.Model, count: int, seed_names: tuple[object, ...], batch: int = 64) -> np.ndarray:
    """Return images of latent vectors that derive from names.

    Args:
        generator: From `load_generator`.
        count: How many, >= 0.
        seed_names: Names that the latent vectors derive from; the first images of a longer draw are the same.
        batch: Images in a step.

    Returns:
        uint8 [count, size, size, 3].
    """
    return Sampler(generator, batch)(latent_vectors(count, generator.input_shape[-1], seed_names))
