"""An image between its source and the data set: named by the source, decoded, measured.

All of it runs in worker processes, so nothing here imports pandas.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.data.pixels.decoding import decode, decode_whole
from magsig_tf.data.pixels.opening import bytes_of, reason_of
from magsig_tf.data.plain_text import printable


@dataclass(frozen=True)
class SourceImage:
    """One image that a source names.

    Args:
        path: Its name in the manifest, relative and posix; unique in the source.
        row: The manifest columns that the source knows: `label`, `magnification`, `case` at least.
        content: Where its pixels come from, for the source's reader: a `Path`, the bytes of an image file, or
            whatever the source's own reader takes. It is sent to a worker process.
    """

    path: str
    row: dict[str, Any]
    content: Any


@dataclass(frozen=True)
class DecodedImage:
    """Pixels at their prepared size, with what was measured on them.

    Args:
        path: The `SourceImage`'s path.
        pixels: uint8 [size, size, 3], RGB.
        measured: The columns `magsig_tf.data.columns.MEASURED_COLUMNS`.
        converted: What it was converted from ("grey", "alpha", "12-bit in 16", ...), "" for plain RGB.
    """

    path: str
    pixels: np.ndarray
    measured: dict[str, object]
    converted: str = ""


@dataclass(frozen=True)
class UnreadableImage:
    """An image that cannot be decoded, and why."""

    path: str
    reason: str


Reader = Callable[[Sequence[SourceImage]], Sequence[DecodedImage | UnreadableImage]]


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Endings of files that can be decoded; in a folder such files are taken for images."""

RESIZE = ("squash", "crop")


@dataclass(frozen=True)
class ImageFileReader:
    """Decodes image files and brings them to one size; the reader of every source that has files.

    Args:
        size: Height and width of the result in pixels.
        resize: "squash" (the whole image, aspect ratio lost) or "crop" (the largest centred square).
    """

    size: int
    resize: str = "squash"

    def __call__(self, images: Sequence[SourceImage]) -> list[DecodedImage | UnreadableImage]:
        """Return one result an image, in order; what cannot be decoded is returned as `UnreadableImage`."""
        with warnings.catch_warnings(action="ignore"):
            return [self._read(image) for image in images]

    def _read(self, image: SourceImage) -> DecodedImage | UnreadableImage:
        try:
            encoded = bytes_of(image.content, image.path)
            pixels, width, height, converted = decode(encoded, self.size, self.resize)
        except Exception as error:  # Pillow's plugins raise anything on broken files
            return UnreadableImage(image.path, reason_of(error))
        sha256 = hashlib.sha256(encoded).hexdigest()
        measured = {"width": width, "height": height, "sha256": sha256, **measure(pixels)}
        return DecodedImage(image.path, pixels, measured, converted)


def read_native(path: Path) -> tuple[np.ndarray, str] | UnreadableImage:
    """Read one image file at its own size, converted to RGB as `decode` does.

    Args:
        path: The file.

    Returns:
        Pixels, uint8 [height, width, 3], and what they were converted from ("" for plain RGB); or why there are none.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            image, converted = decode_whole(bytes_of(path))
            return np.array(image), converted
    except Exception as error:  # Pillow's plugins raise anything on broken files
        return UnreadableImage(printable(str(path)), reason_of(error))


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
    pixel_sha256 = hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
    colours = dict(zip(COLOUR_COLUMNS, colour_statistics(pixels).tolist(), strict=True))
    return {"pixel_sha256": pixel_sha256, "perceptual_hash": perceptual_hash(pixels), **colours}


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
