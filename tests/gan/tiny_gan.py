"""A GAN that trains in a few seconds."""

from __future__ import annotations

import numpy as np

from magsig_tf.config import Settings
from magsig_tf.execution.observer import Observer
from magsig_tf.gan_options import GanOptions
from magsig_tf.seeding import generator_for

IDENTITY = {"dataset_hash": "d", "split_hash": "s"}
SEED_NAMES = ("gan", "s", 0, "benign")


def tiny_images(count: int = 20) -> np.ndarray:
    """Return made-up training images, uint8 [count, 16, 16, 3]."""
    return generator_for("tiny gan images").integers(0, 256, (count, 16, 16, 3), np.uint8)


def tiny_options(**changes) -> GanOptions:
    """Return options of a GAN of 16 pixels and twelve steps."""
    values = {
        "gan_size": 16,
        "gan_width": 4,
        "gan_latent": 8,
        "gan_batch": 8,
        "gan_steps": 12,
        "gan_check_every": 5,
        "gan_learning_rate": 2e-3,
    }
    return GanOptions(**values | changes)


def tiny_settings(**changes) -> Settings:
    """Return settings that log and checkpoint often."""
    return Settings(**{"strategy": "one", "log_every": 3, "checkpoint_every": 4} | changes)


def distance(samples: np.ndarray) -> float:
    """Return how far the samples' mean colour lies from that of the training images, in levels."""
    return float(np.abs(samples.mean((0, 1, 2)) - tiny_images().mean((0, 1, 2))).mean())


def train(folder, observer=None, images=None, **changes):
    """Call `train_gan` with all of the above; a change of a `gan_` key goes to the options, `given` to the call."""
    from magsig_tf.gan.train import train_gan

    given = {"precision": "float32", "settings": tiny_settings(), "identity": IDENTITY, "distance": distance}
    given |= changes.pop("given", {})
    images = tiny_images() if images is None else images
    return train_gan(
        folder, images, tiny_options(**changes), seed_names=SEED_NAMES, observer=observer or Observer(), **given
    )
