"""An image between its source and the data set: named by the source, decoded, measured; on untrusted bytes.

All of it runs in worker processes, so nothing here imports pandas.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.errors import in_one_line


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
        converted: What it was converted from ("grey", "alpha", "16-bit", ...), "" for plain RGB.
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


def printable(name: str) -> str:
    r"""Return a name with every control character and undecodable byte written as an escape such as `\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
"""Formats that are tried; Pillow's others (PostScript, for one) start programs or are no microscope's."""

LARGEST_FILE = 256 * 2**20
LARGEST_IMAGE = 89_478_485
"""Pixels; Pillow's limit. Such a file is a bomb or a whole slide, and neither fits in here."""
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
            encoded = bytes_of(image.content)
            pixels, width, height, converted = decode(encoded, self.size, self.resize)
        except Exception as error:  # Pillow's plugins raise anything on broken files
            return UnreadableImage(image.path, reason_of(error))
        sha256 = hashlib.sha256(encoded).hexdigest()
        measured = {"width": width, "height": height, "sha256": sha256, **measure(pixels)}
        return DecodedImage(image.path, pixels, measured, converted)


def decode(encoded: bytes, size: int, resize: str = "squash") -> tuple[np.ndarray, int, int, str]:
    """Decode one image file and resize it (Pillow's bicubic filter); threads may call it at once.

    Args:
        encoded: The bytes of the file.
        size: Height and width of the result in pixels.
        resize: "squash" or "crop".

    Returns:
        Pixels (uint8 [size, size, 3], RGB), width and height of the original, and what it was converted from ("" for
        plain RGB).

    Raises:
        Exception: whatever Pillow raises on a file that it cannot decode; also for images above Pillow's size limit.
    """
    plain, converted = _opened(encoded)
    width, height = plain.size
    if resize == "crop":
        side = min(width, height)
        left, upper = (width - side) // 2, (height - side) // 2
        plain = plain.crop((left, upper, left + side, upper + side))
    return np.array(plain.resize((size, size), Image.Resampling.BICUBIC)), width, height, converted


def read_native(path: Path) -> np.ndarray | UnreadableImage:
    """Read one image file at its own size, converted to RGB as `decode` does.

    Args:
        path: The file.

    Returns:
        Pixels, uint8 [height, width, 3]; or why there are none.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.array(_opened(bytes_of(path))[0])
    except Exception as error:  # Pillow's plugins raise anything on broken files
        return UnreadableImage(printable(str(path)), reason_of(error))


def _opened(encoded: bytes) -> tuple[Image.Image, str]:
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
        # here Pillow itself only warns, and to make an error of warnings is not safe between threads
        if image.width * image.height > LARGEST_IMAGE:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels could be a decompression bomb")
        return _as_rgb(image)


def _as_rgb(image: ImageFile.ImageFile) -> tuple[Image.Image, str]:
    # Pillow cuts 16-bit colour to 8 bits while reading; only the raw mode of the tile still tells
    deep = any("16" in str(tile.args) for tile in image.tile) and image.format in ("PNG", "TIFF")
    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, "16-bit" if deep else ""
    if image.mode.startswith("I"):
        # convert() would clip at 255 instead of scaling
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("more than 16 bits per pixel")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB"), "16-bit"
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if "A" in image.getbands() or "transparency" in image.info:
        # glass without tissue is white, and so is what a transparent pixel stands for
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"), "16-bit" if deep else "alpha"
    kind = {"L": "grey", "1": "black and white", "P": "palette"}.get(image.mode, image.mode)
    return image.convert("RGB"), kind


def bytes_of(content: Path | bytes) -> bytes:
    """Return the bytes of an image file.

    Args:
        content: Its path, or the bytes themselves.

    Raises:
        OSError: it cannot be read, or is a pipe, a device or a folder.
        ValueError: it is larger than `LARGEST_FILE`.
    """
    if isinstance(content, bytes):
        return content
    path = Path(content)
    if not path.is_file():
        # a pipe or a device would block or never end
        raise FileNotFoundError("no such file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE // 2**20} MiB")
    return path.read_bytes()


def reason_of(error: Exception) -> str:
    """Return in a few words why an image could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format (PNG, JPEG, TIFF, BMP, WebP)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = printable(in_one_line(error))
    return (text or type(error).__name__)[:200]


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
