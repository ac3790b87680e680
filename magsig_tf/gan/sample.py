"""Draw images from a trained generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import RunError
from magsig_tf.execution.resumption import check_identity
from magsig_tf.seeding import generator_for

if TYPE_CHECKING:
    import keras

RECORD = "gan.json"
GENERATOR = "generator.keras"


def load_generator(part_folder: Path, identity: Mapping[str, str]) -> keras.Model:
    """Return the generator of a finished GAN.

    Args:
        part_folder: Its folder.
        identity: Hashes that its `gan.json` must carry, those of data set and split.

    Raises:
        RunError: it is missing or not finished, or belongs to another data set or split.
        DataError: its file is damaged.
    """
    from magsig_tf.models.saved_model import load_saved_model

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
        import tensorflow as tf

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
            padded = np.zeros((self.batch, latents.shape[1]), np.float32)
            padded[: len(chosen)] = chosen
            drawn[first : first + len(chosen)] = self._draw(padded).numpy()[: len(chosen)]
        return drawn
