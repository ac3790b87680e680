"""The worst-classified images as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from magsig_tf.evaluation.printed import number
from magsig_tf.report.page.blocks import Picture
from magsig_tf.report.page.material import Material

if TYPE_CHECKING:
    import numpy as np

LARGEST = 160
"""Longer side of a small picture in pixels."""
_LOSSLESS = 64
"""Up to this size a picture is stored without loss."""


def as_data_address(pixels: np.ndarray) -> str:
    """Return an image as a data address, made smaller where it is larger than `LARGEST`.

    Args:
        pixels: uint8 [H, W, 3].
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    kind = "PNG" if max(image.size) <= _LOSSLESS else "JPEG"
    kept = io.BytesIO()
    image.save(kept, kind, **({"quality": 88} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(kept.getvalue()).decode('ascii')}"


def worst_pictures(material: Material) -> list[Picture]:
    """Return the pictures of the worst answers; without pixels where the prepared data are gone."""
    return [_picture(row, material) for row in material.worst.itertuples()]


def _picture(row, material: Material) -> Picture:
    tile = material.tiles.get(row.row)
    truth = "malignant" if row.malignant else "benign"
    said = f"probability of malignant {number(row.probability)}"
    if row.answers > 1:
        said += f", mean of {row.answers} runs ({number(row.lowest)} to {number(row.highest)})"
    lines = [f"{row.holdout} held out; in truth {truth}", said, *([tile.path] if tile else [])]
    return Picture(
        tile.source if tile else "",
        f"Image of case {row.case} at {row.holdout}, in truth {truth}",
        str(row.case),
        lines,
        row.label,
        row.holdout,
    )
