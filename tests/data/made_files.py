"""Small image files of kinds that microscopes and their programs write."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from magsig_tf.seeding import generator_for


def picture(width: int = 22, height: int = 14) -> np.ndarray:
    """Return a smooth picture with black and white in it, uint8 [height, width, 3]."""
    coarse = generator_for("picture of many kinds").integers(0, 256, (5, 6, 3)).astype(np.uint8)
    smooth = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    smooth[0, 0], smooth[0, 1] = 255, 0
    return smooth


def in_bits(levels: np.ndarray, bits: int) -> np.ndarray:
    """Return 8-bit levels as a camera of more bits measures them, uint16."""
    noise = generator_for("camera", bits).integers(0, 2 ** (bits - 8), levels.shape)
    return (levels.astype(np.uint16) << (bits - 8)) | noise.astype(np.uint16)


def tiff(samples: np.ndarray, **options: object) -> bytes:
    """Return a TIFF file that tifffile writes."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **options)
    return stream.getvalue()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return a file that Pillow writes."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pages(*images: np.ndarray, **options: object) -> bytes:
    """Return a TIFF file with one page an image, none of them marked."""
    first, *others = map(Image.fromarray, images)
    return saved(first, "TIFF", save_all=True, append_images=others, **options)


def png(samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of 8 or 16 bits, grey or RGB, with chunks in front of its pixels."""
    height, width = samples.shape[:2]
    colour = 2 if samples.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, colour, 0, 0, 0)
    rows = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    written = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in written
    )
