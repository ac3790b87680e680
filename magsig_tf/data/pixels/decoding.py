"""One image file to 8-bit RGB: the one decoder of `prepare`, `predict` and `explain`, on untrusted bytes.

What a file says of its pixels is believed where it is certain, and the rest is refused with a reason: a picture that is
left out is missed, one of wrong colours is not.
"""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image, ImageOps

from magsig_tf.data.pixels.bit_depth import FULL
from magsig_tf.data.pixels.colour import to_srgb
from magsig_tf.data.pixels.opening import LARGEST_IMAGE, opened, too_large
from magsig_tf.data.pixels.png_and_webp import PNG, SRGB_GAMMA, PngFacts, png_facts, webp_size
from magsig_tf.data.pixels.refusal import RefusedPicture
from magsig_tf.data.pixels.sixteen_bits import deep_png

DECODING = 2
"""Raised where the same file may give other pixels, so that no unfinished data set gets some of each."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ANIMATED = "an animation of {} pictures; save the picture that you mean by itself"


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
        RefusedPicture: its pixels cannot be known truly, or there are too many.
        Exception: whatever Pillow and tifffile raise on a file that they cannot decode.
    """
    plain, converted = decode_whole(encoded)
    width, height = plain.size
    if resize == "crop":
        side = min(width, height)
        left, upper = (width - side) // 2, (height - side) // 2
        plain = plain.crop((left, upper, left + side, upper + side))
    return np.array(plain.resize((size, size), Image.Resampling.BICUBIC)), width, height, converted


def decode_whole(encoded: bytes) -> tuple[Image.Image, str]:
    """Decode one image file at its own size.

    Args:
        encoded: The bytes of the file.

    Returns:
        The picture (RGB, upright, sRGB), and what it was converted from ("" for plain RGB).

    Raises:
        Exception: as `decode`.
    """
    if encoded[:4] in _TIFF:
        # here, since most data sets have none
        from magsig_tf.data.pixels.tiff_pixels import tiff_picture

        image, kinds, profile = tiff_picture(encoded)
    else:
        image, kinds, profile = _other(encoded)
    image, opacity, kind = _plain_colours(image)
    if profile:
        image, moved = to_srgb(image, profile)
        kinds = [*kinds, "another colour profile than sRGB"] if moved else kinds
    image = image if image.mode == "RGB" else image.convert("RGB")
    if opacity is not None:
        # glass without tissue is white, and so is what a transparent pixel stands for
        image = Image.composite(image, Image.new("RGB", image.size, (255, 255, 255)), opacity)
    return image, ", ".join(dict.fromkeys(filter(None, (*kinds, kind))))


def _other(encoded: bytes) -> tuple[Image.Image, list[str], bytes]:
    """Return the picture of a PNG, JPEG, BMP or WebP file, what is to be said of it, and its colour profile."""
    facts, deep = None, False
    if encoded[:8] == PNG:
        facts = png_facts(encoded)
        _check_png(facts)
        deep = facts.depth == FULL
    elif encoded[8:12] == b"WEBP":
        width, height = webp_size(encoded)
        if width * height > LARGEST_IMAGE:
            raise too_large(width, height)
    file = opened(encoded)
    image: Image.Image = file
    if deep and 2 * image.width * image.height > LARGEST_IMAGE:
        raise too_large(image.width, image.height)
    frames = getattr(image, "n_frames", 1) if image.format == "WEBP" else 1
    if frames > 1:
        raise RefusedPicture(_ANIMATED.format(frames))
    if image.mode == "CMYK":
        raise RefusedPicture("CMYK (printing inks) without the colours they stand for; save it as RGB")
    profile = image.info.get("icc_profile") or b""
    if "icc_profile" in image.info and not profile:
        raise RefusedPicture("a colour profile that cannot be read; save it as sRGB")
    kinds = ["the first of several pictures"] if image.format == "MPO" else []
    if facts is not None and deep:
        image, kind = deep_png(encoded, file, facts)
        kinds.append(kind)
    else:
        image.load()
    if _is_turned(image):
        image = ImageOps.exif_transpose(image)
        kinds.append("a turned picture (orientation tag)")
    return image, kinds, profile


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # of damaged metadata Pillow raises anything; the pixels are none of them
        return False


def _check_png(facts: PngFacts) -> None:
    if facts.frames > 1:
        raise RefusedPicture(_ANIMATED.format(facts.frames))
    if facts.named_colours or (facts.gamma is not None and abs(facts.gamma - SRGB_GAMMA) > 0.05):
        raise RefusedPicture("other colours than sRGB (gAMA or cICP); save it as sRGB")
    if facts.depth == FULL and (facts.transparent_colour or facts.colour == 4):
        raise RefusedPicture("16 bits with transparency; save it as RGB with 8 bits")


def _plain_colours(image: Image.Image) -> tuple[Image.Image, Image.Image | None, str]:
    """Return a picture as RGB or grey, its opacity where it has one, and what it was."""
    mode = image.mode
    if mode in ("RGB", "L") and "transparency" not in image.info:
        return image, None, "" if mode == "RGB" else "grey"
    if mode == "F":
        raise RefusedPicture("floating-point pixels, of which nothing says what is white; save it as RGB with 8 bits")
    if mode.startswith("I"):
        raise RefusedPicture("more than 16 bits per pixel; save it as RGB with 8 bits")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        full = image.convert("RGBA")
        opacity = full.getchannel("A")
        if opacity.getextrema()[1] == 0:
            raise RefusedPicture("transparent throughout; save it as RGB")
        return full.convert("RGB"), opacity, "alpha"
    if mode == "1":
        return image.convert("L"), None, "black and white"
    return image.convert("RGB"), None, "palette" if mode == "P" else mode
