"""Made-up fields of tissue, and the ways in which people change a picture without making it another one."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from magsig_tf.seeding import generator_for


def field(name: object, size: int = 96) -> np.ndarray:
    """Return nuclei on a mottled ground, uint8 [size, size, 3]; each name has a field of its own."""
    random = generator_for("copies test field", name)
    ground = random.normal(0, 1, (3, size, size))
    spectrum = np.fft.rfft2(ground)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    mottled = np.fft.irfft2(spectrum / (frequency + 2 / size), s=(size, size))
    picture = np.array([215, 160, 200])[:, None, None] + 14 * mottled / mottled.std()
    y, x = np.mgrid[:size, :size]
    for _ in range(40):
        at, radius = random.uniform(0, size, 2), random.uniform(2, 5, 2)
        inside = ((y - at[0]) / radius[0]) ** 2 + ((x - at[1]) / radius[1]) ** 2 < 1
        picture[:, inside] = np.array([95, 50, 130])[:, None] + random.normal(0, 12)
    return np.clip(picture, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def _cropped(picture: np.ndarray, down: float, right: float) -> np.ndarray:
    size = len(picture)
    height, width = round(size * down), round(size * right)
    top, left = (size - height) // 3, (size - width) // 2
    return _resized(picture[top : top + height, left : left + width], size)


def _saved(picture: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _recoloured(picture: np.ndarray) -> np.ndarray:
    image = ImageEnhance.Contrast(ImageEnhance.Brightness(Image.fromarray(picture)).enhance(0.85)).enhance(1.2)
    return np.asarray(ImageEnhance.Color(image).enhance(0.6))


def _blurred(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1)))


def _noisy(picture: np.ndarray) -> np.ndarray:
    noise = generator_for("copies test noise").normal(0, 10, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _shifted(picture: np.ndarray) -> np.ndarray:
    step = len(picture) // 6
    return np.pad(picture, ((0, step), (step, 0), (0, 0)))[step:, : len(picture)]


CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "mirrored": (lambda picture: picture[:, ::-1], "mirrored"),
    "upside down": (lambda picture: picture[::-1], "mirrored"),
    "a quarter turn": (lambda picture: np.rot90(picture), "turned 90°"),
    "half a turn": (lambda picture: np.rot90(picture, 2), "turned 180°"),
    "three quarters": (lambda picture: np.rot90(picture, 3), "turned 90°"),
    "transposed": (lambda picture: picture.transpose(1, 0, 2), "mirrored and turned 90°"),
    "transposed otherwise": (lambda picture: np.rot90(picture)[::-1], "mirrored and turned 90°"),
    "crop of 90 %": (lambda picture: _cropped(picture, 0.9, 0.9), "crop"),
    "crop of 70 %": (lambda picture: _cropped(picture, 0.7, 0.7), "crop"),
    "crop of one side": (lambda picture: _cropped(picture, 0.75, 1.0), "crop"),
    "shifted, black border": (_shifted, "shifted"),
    "recoloured": (_recoloured, "same field, other pixels"),
    "saved as JPEG": (lambda picture: _saved(picture, 40), "same field, other pixels"),
    "blurred": (_blurred, "same field, other pixels"),
    "noisy": (_noisy, "same field, other pixels"),
    "smaller before": (lambda picture: _resized(_resized(picture, len(picture) // 2), len(picture)), ""),
    "crop, turn and JPEG": (lambda picture: _saved(np.rot90(_cropped(picture, 0.8, 0.8)), 60), "turned 90°, crop"),
    "mirror, shift and colour": (lambda picture: _recoloured(_shifted(picture[:, ::-1])), "mirrored, shifted"),
}
"""What is done to a picture, and the word for it where there is one."""
