"""Real beside synthetic images of one fold, per class and magnification, with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from magsig_tf.atomic_files import replacing, write_text
from magsig_tf.data.prepared import magnification_order
from magsig_tf.gan.fold import ALL, LABELS
from magsig_tf.gan.images import PartSamples, TrainingImages
from magsig_tf.gan_options import FULL_STEPS, FULL_WIDTH, GanOptions, is_demonstration
from magsig_tf.seeding import generator_for

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


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow's other font comes in one size"
    return font


TILES = 6
NAME = "real_and_synthetic"
DEMONSTRATION = f"demonstration quality: base width below {FULL_WIDTH} or fewer than {FULL_STEPS} steps"


@dataclass(frozen=True)
class Picture:
    """A drawn sheet and its caption.

    Args:
        image: The sheet.
        caption: Plain text; says which tile is what.
    """

    image: Image.Image
    caption: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write `real_and_synthetic.png` and `.txt` to a folder and return their paths."""
        path, words = folder / f"{NAME}.png", folder / f"{NAME}.txt"
        with replacing(path) as temporary:
            self.image.save(temporary)
        write_text(words, self.caption)
        return path, words


@dataclass(frozen=True)
class _Row:
    label: int
    magnification: str
    real: np.ndarray
    part: PartSamples
    drawn: np.ndarray


def real_and_synthetic(
    training: TrainingImages,
    samples: Sequence[PartSamples],
    options: GanOptions,
    fold: str,
    *names: object,
    tiles: int = TILES,
) -> Picture:
    """Draw real training images beside what the GANs drew.

    A row shows real images of one class and magnification and as many synthetic ones: of that magnification where each
    has a GAN of its own, else of the class, whose GAN draws all magnifications mixed.

    Args:
        training: The fold's training images at the GAN's size; no other real image is shown.
        samples: What each GAN drew.
        options: Those of the GANs.
        fold: The fold in words.
        names: Names that the draw of tiles derives from.
        tiles: Tiles of each block in a row.

    Returns:
        The picture and its caption.
    """
    rows = _rows(training, samples, names, tiles)
    pooled = any(each.part.magnification == ALL for each in samples)
    bands = [
        SheetBand(LABELS[label], [_sheet_row(training, row) for row in rows if row.label == label])
        for label in dict.fromkeys(row.label for row in rows)
    ]
    title = f"{fold}: {options.gan_size} px, width {options.gan_width}, {options.gan_steps} steps"
    if is_demonstration(options):
        title += " (demonstration quality)"
    columns = ("real, training rows", "synthetic, all magnifications mixed" if pooled else "synthetic")
    return Picture(tile_sheet(title, columns, bands), _caption(training, rows, options, fold, names, pooled))


def _rows(
    training: TrainingImages, samples: Sequence[PartSamples], names: tuple[object, ...], tiles: int
) -> list[_Row]:
    rows = []
    for label in sorted({each.part.label for each in samples}):
        parts = {each.part.magnification: each for each in samples if each.part.label == label}
        present = magnification_order(training.magnification[training.label == label])
        orders = {name: _order(len(each.images), *names, label, name, "synthetic") for name, each in parts.items()}
        for place, magnification in enumerate(present):
            own = magnification in parts
            part = parts[magnification if own else ALL]
            taken = np.arange(tiles) + (0 if own else place * tiles)
            of_cell = np.flatnonzero((training.label == label) & (training.magnification == magnification))
            real = of_cell[np.resize(_order(len(of_cell), *names, label, magnification, "real"), tiles)]
            drawn = np.resize(orders[part.part.magnification], taken[-1] + 1)[taken]
            rows.append(_Row(label, magnification, real, part, drawn))
    return rows


def _order(count: int, *names: object) -> np.ndarray:
    return generator_for("gan picture", *names).permutation(count)


def _sheet_row(training: TrainingImages, row: _Row) -> SheetRow:
    return SheetRow(row.magnification, training.images[row.real], row.part.images[row.drawn])


def _caption(
    training: TrainingImages,
    rows: Sequence[_Row],
    options: GanOptions,
    fold: str,
    names: tuple[object, ...],
    pooled: bool,
) -> str:
    quality = f" This is {DEMONSTRATION}." if is_demonstration(options) else ""
    learned = (
        "One GAN per class learned all source magnifications together: rows of the right block are not magnifications."
        if pooled
        else "One GAN per class and source magnification."
    )
    lines = [
        f"Real and synthetic images of {fold}.",
        f"Left: training images of the fold at {options.gan_size} px, one row per class and source magnification. "
        f"Right: images drawn by the fold's GANs. {learned}",
        f"DCGAN of base width {options.gan_width}, {options.gan_steps} steps.{quality}",
        f"Tiles were drawn at random, not picked; seed names: {', '.join(map(str, ('gan picture', *names)))}.",
        "",
    ]
    for row in rows:
        lines.append(f"{LABELS[row.label]} {row.magnification}, left to right")
        lines.append(f"  real: {', '.join(training.path[row.real])}")
        lines.append(f"  synthetic, GAN {row.part.part.title}: {', '.join(map(str, row.drawn))}")
    return "\n".join(lines) + "\n"
