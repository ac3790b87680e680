"""A GAN that trains in a few seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.config import Settings
from magsig_tf.data.splits import Split
from magsig_tf.execution.observer import Observer
from magsig_tf.gan.fold import ALL, FoldGans, Part
from magsig_tf.models.gan_options import GanOptions
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


@dataclass(frozen=True)
class TinyPart(Part):
    """A benign GAN in a folder of any name."""

    name: str = "benign"


def train(folder, observer=None, images=None, **changes):
    """Call `train_gan` with all of the above; a change of a `gan_` key goes to the options, others to the call."""
    from magsig_tf.gan.train import train_gan

    given = {"settings": tiny_settings(precision="float32"), "distance": distance} | changes.pop("given", {})
    split = Split("400X", 0, ("40X", "100X", "200X"), {}, given.pop("split_hash", IDENTITY["split_hash"]))
    part = TinyPart(0, ALL, np.arange(20), folder.name)
    fold = FoldGans(folder.parent, "tiny", split, IDENTITY["dataset_hash"], tiny_options(**changes), (part,))
    return train_gan(part, tiny_images() if images is None else images, fold, observer=observer or Observer(), **given)
