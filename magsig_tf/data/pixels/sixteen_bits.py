"""Pictures of 16-bit samples: PNG files whole, and the samples of what Pillow opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from magsig_tf.data.pixels.bit_depth import FULL, to_eight_bits
from magsig_tf.data.pixels.opening import opened
from magsig_tf.data.pixels.png_and_webp import PngFacts
from magsig_tf.data.pixels.refusal import RefusedPicture

_LOW_BYTES = {"N": "B", "L": "B", "B": "L"}
"""Pillow's raw modes keep one byte of a 16-bit sample: for the mode that keeps the high one, that of the low one."""


def deep_png(encoded: bytes, image: ImageFile.ImageFile, facts: PngFacts) -> tuple[Image.Image, str]:
    """Return a 16-bit PNG file with 8 bits, and what it was.

    Args:
        encoded: The bytes of the file.
        image: As Pillow opened it.
        facts: What it declares.

    Raises:
        RefusedPicture: it is not certain how many bits are used.
    """
    samples = sixteen_bits(image, lambda: opened(encoded))
    stated = set(facts.significant) & set(range(9, FULL))
    colours = samples[..., :3] if samples.ndim == 3 else samples
    largest = int(colours.max(initial=0))
    # writers are to scale samples up to 16 bits and to say here how many they had; some only say it
    raw = stated if len(stated) == 1 and largest < 2 ** min(stated) and not _is_scaled(colours, min(stated)) else ()
    levels, kind = to_eight_bits(colours, raw)
    if samples.ndim == 3 and samples.shape[-1] == 4:
        levels = np.concatenate([levels, (samples[..., 3:] >> 8).astype(np.uint8)], axis=-1)
    made = Image.fromarray(levels)
    made.info = image.info
    made.getexif().update(image.getexif())
    return made, kind


def _is_scaled(samples: np.ndarray, bits: int) -> bool:
    """Return whether samples may have been scaled up from so many bits: the low ones are 0 or repeat the high ones."""
    low = samples & (2 ** (FULL - bits) - 1)
    return bool((low == 0).all() or (low == samples >> bits).all())


def sixteen_bits(image: ImageFile.ImageFile, again: Callable[[], ImageFile.ImageFile]) -> np.ndarray:
    """Return the whole samples of a 16-bit picture; of colour, Pillow gives one byte of each at a time.

    Args:
        image: As Pillow opened it.
        again: Opens it once more.

    Returns:
        uint16 [height, width] or [height, width, channels].

    Raises:
        RefusedPicture: Pillow cannot give both bytes.
    """
    if image.mode.startswith("I"):
        image.load()
        return np.asarray(image).astype(np.uint16)
    second = again()
    second.tile = [tile._replace(args=_of_low_bytes(tile.args)) for tile in second.tile]
    image.load()
    second.load()
    return (np.asarray(image).astype(np.uint16) << 8) | np.asarray(second)


def _of_low_bytes(args: Any) -> Any:
    raw = args if isinstance(args, str) else args[0]
    # of premultiplied colours ("a") a byte alone cannot be divided by the opacity
    if ";16" not in raw or raw[-1] not in _LOW_BYTES or "a" in raw:
        raise RefusedPicture("16-bit colour of a kind that is not read; save it as RGB with 8 bits")
    low = raw[:-1] + _LOW_BYTES[raw[-1]]
    return low if isinstance(args, str) else (low, *args[1:])
