"""The distance by which a checkpoint of a GAN is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from magsig_tf.gan.quality.features import Features
from magsig_tf.gan.quality.kid import RealKernel, SampleKernel, resampled_kid
from magsig_tf.seeding import generator_for

MOST_IMAGES = 1000
"""Training images that a checkpoint is held against; more would cost time and change no choice."""


def distance_to(images: np.ndarray, features: Features, *names: object) -> Callable[[np.ndarray], float]:
    """Return the function that gives the KID of samples against training images.

    Args:
        images: uint8 [n, s, s, 3], the training images of one GAN; at most `MOST_IMAGES` of them, drawn at random, are
            used, the same ones at every call.
        features: Where they are compared; `random_features(s)`, so that the choice does not depend on what is
            installed.
        names: Names that the draw derives from.

    Returns:
        uint8 [m, s, s, 3] -> KID, smaller is better.
    """
    chosen = generator_for("gan distance", *names).permutation(len(images))[:MOST_IMAGES]
    real = features(images[np.sort(chosen)])
    together = np.zeros(len(real), int)
    kernel = RealKernel.of(real, together)

    def distance(samples: np.ndarray) -> float:
        drawn = SampleKernel.of(real, together, features(samples))
        return float(resampled_kid(kernel, drawn, np.ones((1, 1)))[0])

    return distance
