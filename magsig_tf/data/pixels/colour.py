"""Embedded colour profiles: those that are sRGB change nothing, pictures of others are converted to sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from magsig_tf.data.pixels.refusal import RefusedPicture

NOTHING_CHANGES = 2
"""Largest difference in levels at which a profile counts as sRGB: writers round its curves in different ways."""
LARGEST_PROFILE = 4 * 2**20
_MODES = {"RGB ": "RGB", "GRAY": "L"}


def to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """Convert a picture to sRGB.

    Args:
        image: RGB or L.
        profile: The ICC profile embedded in its file.

    Returns:
        The picture (RGB; as it was where nothing changes), and whether it was converted.

    Raises:
        RefusedPicture: the profile cannot be used for it.
    """
    transform = _transform(profile, image.mode)
    if transform is None:
        return image, False
    return transform.apply(image), True


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform of a profile to sRGB, None where it changes nothing."""
    remedy = "save it as sRGB"
    if len(profile) > LARGEST_PROFILE:
        raise RefusedPicture(f"a colour profile of {len(profile):,} bytes; {remedy}")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space
        if _MODES.get(space) != mode:
            raise RefusedPicture(f"a colour profile of another kind ({space.strip()!a}) than its pixels; {remedy}")
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(source, target, mode, "RGB", intent, flags)
    except RefusedPicture:
        raise
    except Exception as error:  # ImageCms raises OSError, PyCMSError and more on damaged profiles
        raise RefusedPicture(f"a colour profile that cannot be read; {remedy}") from error
    probe = _probe(mode)
    moved = np.asarray(transform.apply(probe), int) - np.asarray(probe.convert("RGB"), int)
    return transform if np.abs(moved).max() > NOTHING_CHANGES else None


def _probe(mode: str) -> Image.Image:
    """Return a picture of colours from all over the cube, or of every grey."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3))
