"""Real images sent through a GAN's resolution, and a GAN's images brought up to the classifier's.

What an up-sampled image has above its Nyquist frequency is the filter's doing: attenuated copies of its spectrum,
harmonics of clipped overshoot, rounding that follows the content. A classifier could tell synthetic images by it, so
none may be left. The up-sampling is band-limited, keeps the image inside [0, 255] without clipping, and adds noise that
makes rounding independent of the content. Measurements: docs/decisions/015-band-limited-upsampling.md.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.fft import dct, idct

from magsig_tf.errors import UsageError
from magsig_tf.seeding import generator_for

LOWEST, HIGHEST = 1.0, 254.0
"""Range of an up-sampled image before noise of at most one level is added, so that nothing is clipped."""
_PASSED = 0.75
_ROUNDS = 2


def downsampled(images: np.ndarray, size: int) -> np.ndarray:
    """Return images at a GAN's size (Pillow's bicubic filter, antialiased, as `prepare` resizes).

    Args:
        images: uint8 [n, H, W, 3].
        size: Height and width of a GAN's image, at most H and W; images of that size are returned as they are.

    Returns:
        uint8 [n, size, size, 3].

    Raises:
        UsageError: the images are smaller.
    """
    height, width = images.shape[1:3]
    _check_sizes(size, min(height, width))
    if (height, width) == (size, size):
        return np.array(images)
    small = np.empty((len(images), size, size, 3), np.uint8)
    for place, image in enumerate(images):
        small[place] = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    return small


def upsampled(images: np.ndarray, size: int) -> np.ndarray:
    """Return a GAN's images at the classifier's size, with nothing of theirs above their Nyquist frequency.

    The discrete cosine transform (mirrored borders) of each image is faded out towards its Nyquist frequency, the same
    in every direction, and evaluated on the finer grid. An image is a function of its own pixels alone.

    Args:
        images: uint8 [n, s, s, 3].
        size: Height and width of the classifier's images, at least s; images of that size are returned as they are.

    Returns:
        uint8 [n, size, size, 3].

    Raises:
        UsageError: the images are larger.
    """
    own = images.shape[1]
    _check_sizes(own, size)
    if own == size:
        return np.array(images)
    large = np.empty((len(images), size, size, 3), np.uint8)
    for place, image in enumerate(images):
        # one image at a time: the same bits whatever it is in a batch with, and in the processor's cache
        coefficients = _cosines(np.moveaxis(image, -1, 0).astype(np.float32), own) * _fade(own)
        fine = _in_range(_evaluated(_kept_in_range(coefficients), size))
        fine += _noise(image, size)
        large[place] = np.moveaxis(np.rint(fine, out=fine), 0, -1)
    return large


def resampled(images: np.ndarray, size: int) -> np.ndarray:
    """Return real images as a GAN of this size could make them at best: down to it and up again.

    Args:
        images: uint8 [n, S, S, 3].
        size: Height and width of a GAN's image, at most S; where it is S, the images are returned as they are.

    Raises:
        UsageError: the images are smaller.
    """
    return upsampled(downsampled(images, size), images.shape[1])


def _check_sizes(gan: int, classifier: int) -> None:
    if gan > classifier:
        expected = "Expected GAN images no larger than the classifier's"
        raise UsageError(expected, f"found {gan} px against {classifier} px", f"Set gan_size to {classifier} or less")


@lru_cache(maxsize=8)
def _fade(size: int) -> np.ndarray:
    """Return the share of each cosine that is kept, float32 [size, size]: 1 at low frequencies, 0 near Nyquist.

    It ends three periods an image below Nyquist, since whatever measures a spectrum inside an image spreads each
    frequency about that far.
    """
    order = np.arange(size)
    radius = np.hypot(order[:, None], order[None, :]) / size
    last = 1 - 6 / size
    position = np.clip((radius - _PASSED * last) / ((1 - _PASSED) * last), 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * position)).astype(np.float32)


def _cosines(channels: np.ndarray, kept: int) -> np.ndarray:
    """Return the lowest `kept` x `kept` cosines of each channel, float32 [3, kept, kept]."""
    rows = dct(channels, axis=2, norm="ortho")[:, :, :kept]
    return dct(rows, axis=1, norm="ortho")[:, :kept] * np.float32(kept / channels.shape[1])


def _evaluated(coefficients: np.ndarray, size: int) -> np.ndarray:
    """Return the channels that have these cosines on a grid of `size` x `size` points, float32 [3, size, size]."""
    own = coefficients.shape[1]
    rows = idct(coefficients * np.float32(size / own), n=size, axis=1, norm="ortho")
    return idct(rows, n=size, axis=2, norm="ortho")


def _kept_in_range(coefficients: np.ndarray) -> np.ndarray:
    """Return cosines near the given ones whose image hardly leaves the range.

    Projections in turn on what lies in the range and on what lies in the band, as Gerchberg (1974) and Papoulis (1975)
    extrapolate spectra; the first is judged on a grid twice as fine.
    """
    own = coefficients.shape[1]
    for _ in range(_ROUNDS):
        fine = _evaluated(coefficients, 2 * own)
        beyond = np.clip(fine, LOWEST, HIGHEST) - fine
        if not beyond.any():
            break
        coefficients = coefficients + _cosines(beyond, own) * _fade(own)
    return coefficients


def _in_range(channels: np.ndarray) -> np.ndarray:
    """Return the channels with just as little contrast as brings all into the range, their means kept."""
    mean = np.clip(channels.mean(axis=(1, 2)), LOWEST, HIGHEST)
    above, below = channels.max(axis=(1, 2)) - mean, mean - channels.min(axis=(1, 2))
    room = np.minimum((HIGHEST - mean) / np.maximum(above, 1e-6), (mean - LOWEST) / np.maximum(below, 1e-6))
    mean = mean[:, None, None]
    return mean + (channels - mean) * np.float32(min(1.0, room.min()))


def _noise(image: np.ndarray, size: int) -> np.ndarray:
    """Return noise in (-1, 1) with triangular density, float32 [3, size, size].

    It makes the error of rounding white, with a variance that does not depend on the image (Wannamaker et al. 2000, A
    theory of nonsubtractive dither). It is drawn from the small image itself: the same wherever that image turns up.
    """
    random = generator_for("rounding noise", hashlib.sha256(np.ascontiguousarray(image).data).hexdigest())
    first, second = np.frombuffer(random.bytes(6 * size * size), np.uint8).reshape(2, 3, size, size)
    return np.subtract(first, second, dtype=np.float32) / np.float32(256)
