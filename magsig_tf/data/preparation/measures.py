"""What is measured on prepared pixels: identity, near-identity and colour."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from magsig_tf.data.columns import COLOUR_COLUMNS

_SIDE = 32
_FREQUENCIES = 9
_POSITIONS = np.arange(_SIDE)
_COSINES = np.cos(np.pi / _SIDE * (_POSITIONS[None, :] + 0.5) * np.arange(_FREQUENCIES)[:, None])


def measure(pixels: np.ndarray) -> dict[str, object]:
    """Return the manifest columns that prepared pixels decide.

    Args:
        pixels: uint8 [height, width, 3], RGB.

    Returns:
        `pixel_sha256`, `perceptual_hash` and the colour columns.
    """
    colours = colour_statistics(pixels)
    return {
        "pixel_sha256": hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
        "perceptual_hash": perceptual_hash(pixels),
        **dict(zip(COLOUR_COLUMNS, colours.tolist(), strict=True)),
    }


def colour_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel.

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        float32 [6]: means of red, green and blue, then their standard deviations (of the population), 0 to 255.
    """
    # a histogram is exact, and far quicker than turning the pixels into floats
    shares = np.reshape(Image.fromarray(pixels).histogram(), (3, 256)) / (pixels.size // 3)
    levels = np.arange(256)
    means = shares @ levels
    variances = (shares * (levels - means[:, None]) ** 2).sum(axis=1)
    return np.concatenate([means, np.sqrt(variances)]).astype(np.float32)


def perceptual_hash(pixels: np.ndarray) -> str:
    """Return a 64-bit hash that similar pictures share up to a few bits.

    The grey image is averaged down to 32x32 and transformed by a DCT-II; each bit says whether one of the 8x8 lowest
    frequencies (those constant along a row of pixels left out: the first of each row, the mean among them) is above
    the median of the 64. After Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        16 hex digits; the number of differing bits of two hashes is their distance.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    frequencies = _COSINES @ np.asarray(grey, np.float64) @ _COSINES.T
    # rounding keeps an even picture from hashing the noise of the arithmetic
    lowest = np.round(frequencies[:8, 1:9], 6)
    return np.packbits((lowest > np.median(lowest)).ravel()).tobytes().hex()
