"""The pixels of a TIFF file, once it is known which page is the picture and how its samples are meant."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from typing import cast

import numpy as np
import tifffile
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from magsig_tf.data.pixels.bit_depth import FULL, to_eight_bits
from magsig_tf.data.pixels.opening import LARGEST_IMAGE, opened, too_large
from magsig_tf.data.pixels.refusal import RefusedPicture
from magsig_tf.data.pixels.sixteen_bits import sixteen_bits
from magsig_tf.data.pixels.tiff import TiffPicture, examine_tiff
from magsig_tf.errors import in_one_line


def tiff_picture(encoded: bytes) -> tuple[Image.Image, list[str], bytes]:
    """Return the picture of a TIFF file.

    Args:
        encoded: The bytes of the file.

    Returns:
        The picture (8 bits, upright, of any mode), what is to be said of it, and its colour profile (empty if none).

    Raises:
        RefusedPicture: it is not certain which page is the picture, or what its samples mean.
        Exception: whatever Pillow raises on damaged pixels.
    """
    try:
        found = examine_tiff(encoded, LARGEST_IMAGE)
    except (RefusedPicture, MemoryError):
        raise
    except Exception as error:  # tifffile raises anything on broken files
        raise RefusedPicture(f"a damaged TIFF file: {in_one_line(error)[:100]}") from error
    parts = [_page(encoded, number) for number in found.pages]
    turned = [part.tag_v2.get(ExifTags.Base.Orientation, 1) in range(2, 9) for part in parts]
    profile = parts[0].info.get("icc_profile") or b""
    image: Image.Image = parts[0]
    kinds = list(found.kinds)
    if found.depth == FULL:
        image, kind = _of_sixteen_bits(encoded, found, parts, any(turned))
        kinds.append(kind)
    elif len(parts) == 3:
        image = Image.merge("RGB", [part.convert("L") for part in parts])
    else:
        image.load()
    if found.inverted:
        kinds.append("white as zero")
    if any(turned):
        # Pillow turns it while it loads
        kinds.append("a turned picture (orientation tag)")
    return image, kinds, profile


def _of_sixteen_bits(
    encoded: bytes, found: TiffPicture, parts: Sequence[TiffImagePlugin.TiffImageFile], turned: bool
) -> tuple[Image.Image, str]:
    if not found.planar:
        again = [functools.partial(_page, encoded, number) for number in found.pages]
        layers = [sixteen_bits(part, second) for part, second in zip(parts, again, strict=True)]
        samples = layers[0] if len(layers) == 1 else np.stack(layers, axis=-1)
    elif turned:
        raise RefusedPicture("16-bit colour in planes with an orientation tag; save it as RGB with 8 bits")
    else:
        samples = _planes(encoded, found.pages[0])
    if samples.ndim == 2 or samples.shape[-1] == 3:
        levels, kind = to_eight_bits(samples, found.bits, found.inverted)
        return Image.fromarray(levels), kind
    if found.bits:
        raise RefusedPicture("transparency beside samples of which not all bits are used; save it as RGB with 8 bits")
    levels, kind = to_eight_bits(samples[..., :3], found.bits)
    opacity = (samples[..., 3:] >> 8).astype(np.uint8)
    return Image.fromarray(np.concatenate([levels, opacity], axis=-1)), kind


def _page(encoded: bytes, number: int) -> TiffImagePlugin.TiffImageFile:
    try:
        image = opened(encoded)
        image.seek(number)
    except (UnidentifiedImageError, SyntaxError) as error:
        raise RefusedPicture("a TIFF file of a kind that is not read; save it as RGB with 8 bits") from error
    if image.width * image.height > LARGEST_IMAGE:
        raise too_large(image.width, image.height)
    return cast(TiffImagePlugin.TiffImageFile, image)


def _planes(encoded: bytes, number: int) -> np.ndarray:
    """Return uncompressed 16-bit channels that are stored one after another, which Pillow takes for bytes."""
    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        page = cast(tifffile.TiffPage, file.pages[number])
        return np.moveaxis(page.asarray(maxworkers=1), 0, -1)
