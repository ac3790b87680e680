"""A sheet of labelled tiles in two blocks side by side, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_SHORTEST_TILE = 96
_GAP, _BLOCK_GAP, _BAND_GAP, _MARGIN = 3, 28, 16, 16


@dataclass(frozen=True)
class SheetRow:
    """One row of tiles.

    Args:
        title: Its label, left of the tiles.
        left: uint8 [k, s, s, 3], tiles of the left block.
        right: uint8 [k, s, s, 3], tiles of the right block.
    """

    title: str
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class SheetBand:
    """Rows that belong together.

    Args:
        title: The label of the band, above the label of its first row.
        rows: At least one.
    """

    title: str
    rows: Sequence[SheetRow]


def tile_sheet(title: str, columns: tuple[str, str], bands: Sequence[SheetBand]) -> Image.Image:
    """Draw the sheet.

    Args:
        title: Above everything.
        columns: Titles of the two blocks.
        bands: From top to bottom; every row has the same number of tiles.

    Returns:
        An RGB image; tiles are enlarged by a whole number to at least 96 pixels (bicubic).
    """
    tiles, size = bands[0].rows[0].left.shape[:2]
    side = size * max(1, -(-_SHORTEST_TILE // size))
    text, bold = _font(max(15, side // 7)), _font(max(18, side // 6))
    labels = [*(band.title for band in bands), *(row.title for band in bands for row in band.rows)]
    left = _MARGIN + max(int(bold.getlength(label)) for label in labels) + _MARGIN
    block = tiles * (side + _GAP) - _GAP
    top = _MARGIN + int(bold.size * 1.8) + int(text.size * 1.6)
    rows = sum(len(band.rows) for band in bands)
    height = top + rows * (side + _GAP) + (len(bands) - 1) * _BAND_GAP + _MARGIN
    width = max(left + 2 * block + _BLOCK_GAP, _MARGIN + int(bold.getlength(title))) + _MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN), title, INK, bold)
    places = (left, left + block + _BLOCK_GAP)
    for place, name in zip(places, columns, strict=True):
        pen.text((place, top - int(text.size * 1.5)), name, INK, text)
    for band in bands:
        pen.text((_MARGIN, top + 2), band.title, INK, bold)
        for number, row in enumerate(band.rows):
            below = int(bold.size * 1.3) if number == 0 and band.title else 0
            pen.text((_MARGIN, top + 4 + below), row.title, FAINT, text)
            _paste(sheet, row.left, places[0], top, side)
            _paste(sheet, row.right, places[1], top, side)
            top += side + _GAP
        top += _BAND_GAP
    return sheet


def _paste(sheet: Image.Image, images: np.ndarray, left: int, top: int, side: int) -> None:
    for number, image in enumerate(images):
        tile = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste(tile, (left + number * (side + _GAP), top))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
