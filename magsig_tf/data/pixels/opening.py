"""Image files opened for reading: only known formats, only files, and nothing that declares too much."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from magsig_tf.data.pixels.refusal import RefusedPicture
from magsig_tf.data.pixels.whole_slides import slide_maker, slide_reason
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import in_one_line

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
"""Formats that are tried; Pillow's others (PostScript, for one) start programs or are no microscope's."""

LARGEST_FILE = 256 * 2**20
LARGEST_IMAGE = 89_478_485
"""Pixels; Pillow's limit. Such a file is a bomb or a whole slide, and neither fits in here."""


def opened(encoded: bytes | IO[bytes]) -> ImageFile.ImageFile:
    """Open an image file with Pillow; its pixels are not read yet.

    Args:
        encoded: Its bytes, or a file that is open.

    Raises:
        RefusedPicture: it declares more than `LARGEST_IMAGE` pixels.
        Exception: whatever Pillow raises on other files.
    """
    image = Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS)
    # here Pillow itself only warns, and to make an error of warnings is not safe between threads
    if image.width * image.height > LARGEST_IMAGE:
        raise too_large(image.width, image.height)
    return image


def too_large(width: int, height: int) -> RefusedPicture:
    """Return the refusal of a picture that declares too many pixels."""
    return RefusedPicture(f"{width} x {height} pixels could be a decompression bomb")


def bytes_of(content: Path | bytes, name: str = "") -> bytes:
    """Return the bytes of an image file.

    Args:
        content: Its path, or the bytes themselves.
        name: Its name; that of the path if not given.

    Raises:
        OSError: it cannot be read, or is a pipe, a device or a folder.
        RefusedPicture: it is larger than `LARGEST_FILE`, or a whole slide.
    """
    if isinstance(content, bytes):
        _refuse_slide(name, content)
        return content
    path = Path(content)
    if not path.is_file():
        # a pipe or a device would block or never end
        raise FileNotFoundError("no such file")
    _refuse_slide(name or path.name)
    if path.stat().st_size > LARGEST_FILE:
        raise RefusedPicture(f"larger than {LARGEST_FILE // 2**20} MiB")
    encoded = path.read_bytes()
    _refuse_slide("", encoded)
    return encoded


def _refuse_slide(name: str, encoded: bytes = b"") -> None:
    if maker := slide_maker(name, encoded[:256]):
        raise RefusedPicture(slide_reason(maker))


def reason_of(error: Exception) -> str:
    """Return in a few words why an image could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format (PNG, JPEG, TIFF, BMP, WebP)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = printable(in_one_line(error))
    # what a decompressor of C met: Pillow says "decoder error -2", or (11.0) the number alone
    if re.fullmatch(r"decoder error.*|-\d+", text):
        return "damaged or cut off"
    return (text or type(error).__name__)[:300]
