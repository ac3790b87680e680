"""When the training of a GAN has failed: it diverged, or its generator collapsed."""

from __future__ import annotations

import numpy as np

from magsig_tf.errors import RunError

SMALLEST_SPREAD = 0.05
"""A generator whose images differ by less than this share of what training images do has collapsed (docs/gan.md)."""
WARM_UP = 500
"""Steps before which no generator is called collapsed: at first its images are all grey, and differ by little."""


class Diverged(RunError):
    """A loss, a gradient, a weight or the distance of the samples is no longer a number."""


class Collapsed(RunError):
    """The generator makes one image, whatever the latent vector."""


def spread(images: np.ndarray) -> float:
    """Return the root mean square difference of two different images, over pixels and colours.

    It is sqrt(2 v) with v the unbiased variance over images, averaged over pixels and colours.

    Args:
        images: uint8 [n, height, width, 3], n >= 2.

    Returns:
        In levels of 0..255.
    """
    return float(np.sqrt(2.0 * images.reshape(len(images), -1).astype(np.float32).var(axis=0, ddof=1).mean()))


def check_spread(step: int, share: float) -> None:
    """Refuse a generator whose images hardly differ.

    Args:
        step: Steps taken.
        share: Spread of its images over that of the training images.

    Raises:
        Collapsed: after `WARM_UP` steps the share is below `SMALLEST_SPREAD`.
    """
    if step >= WARM_UP and share < SMALLEST_SPREAD:
        raise Collapsed(
            f"Expected synthetic images that differ by at least {SMALLEST_SPREAD:.0%} of what training images do",
            f"found {share:.1%} at step {step}",
            "The last good checkpoint is kept; lower gan_learning_rate, set gan_spectral_norm or gan_diffaugment to "
            "true, and repeat",
        )
