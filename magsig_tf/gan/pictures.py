"""Real beside synthetic images of one fold, per class and magnification, with a caption."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from magsig_tf.checksums import signing, write_signed_text
from magsig_tf.data.identity import magnification_order
from magsig_tf.gan.fold import ALL, LABELS, FoldGans, PartSamples, TrainingImages
from magsig_tf.models.gan_options import FULL_STEPS, FULL_WIDTH, is_demonstration
from magsig_tf.seeding import generator_for

PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_SHORTEST_TILE = 96
_GAP, _BLOCK_GAP, _BAND_GAP, _MARGIN = 3, 28, 16, 16
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
        with signing(path) as temporary:
            self.image.save(temporary)
        write_signed_text(words, self.caption)
        return path, words


@dataclass(frozen=True)
class _Row:
    """One row of tiles: real images of one class and magnification, and what a GAN drew.

    Args:
        label: 0 benign, 1 malignant.
        magnification: That of the real images.
        real: Their positions among the training images, [k].
        part: What the GAN drew.
        drawn: The positions of its tiles there, [k].
        blocks: The tiles of the left and of the right block, each uint8 [k, s, s, 3].
    """

    label: int
    magnification: str
    real: np.ndarray
    part: PartSamples
    drawn: np.ndarray
    blocks: tuple[np.ndarray, np.ndarray]


def real_and_synthetic(
    training: TrainingImages, samples: Sequence[PartSamples], fold: FoldGans, *names: object, tiles: int = TILES
) -> Picture:
    """Draw real training images beside what the GANs drew.

    A row shows real images of one class and magnification and as many synthetic ones: of that magnification where each
    has a GAN of its own, else of the class, whose GAN draws all magnifications mixed.

    Args:
        training: The fold's training images at the GAN's size; no other real image is shown.
        samples: What each GAN drew.
        fold: The GANs.
        names: Names that the draw of tiles derives from.
        tiles: Tiles of each block in a row.

    Returns:
        The picture and its caption.
    """
    rows = _rows(training, samples, names, tiles)
    pooled = any(each.part.magnification == ALL for each in samples)
    options = fold.options
    title = f"{fold.title}: {options.gan_size} px, width {options.gan_width}, {options.gan_steps} steps"
    title += " (demonstration quality)" if is_demonstration(options) else ""
    columns = ("real, training rows", "synthetic, all magnifications mixed" if pooled else "synthetic")
    return Picture(_tile_sheet(title, columns, rows), _caption(training, rows, fold, names, pooled))


def _rows(training: TrainingImages, samples: Sequence[PartSamples], names: tuple, tiles: int) -> list[_Row]:
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
            blocks = (training.images[real], part.images[drawn])
            rows.append(_Row(label, magnification, real, part, drawn, blocks))
    return rows


def _order(count: int, *names: object) -> np.ndarray:
    return generator_for("gan picture", *names).permutation(count)


def _tile_sheet(title: str, columns: tuple[str, str], rows: Sequence[_Row]) -> Image.Image:
    """Draw the sheet: a band of rows for each label, its name above that of its first row.

    Args:
        title: Above everything.
        columns: Titles of the two blocks.
        rows: From top to bottom, those of a label together; every row has the same number of tiles.

    Returns:
        An RGB image; tiles are enlarged by a whole number to at least 96 pixels (bicubic).
    """
    tiles, size = rows[0].blocks[0].shape[:2]
    side = size * max(1, -(-_SHORTEST_TILE // size))
    text, bold = _font(max(15, side // 7)), _font(max(18, side // 6))
    bands = {LABELS[row.label] for row in rows}
    longest = max(int(bold.getlength(words)) for words in bands.union(row.magnification for row in rows))
    left = _MARGIN + longest + _MARGIN
    block = tiles * (side + _GAP) - _GAP
    top = _MARGIN + int(bold.size * 1.8) + int(text.size * 1.6)
    height = top + len(rows) * (side + _GAP) + (len(bands) - 1) * _BAND_GAP + _MARGIN
    width = max(left + 2 * block + _BLOCK_GAP, _MARGIN + int(bold.getlength(title))) + _MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN), title, INK, bold)
    places = (left, left + block + _BLOCK_GAP)
    for place, name in zip(places, columns, strict=True):
        pen.text((place, top - int(text.size * 1.5)), name, INK, text)
    for label, band in itertools.groupby(rows, lambda row: row.label):
        pen.text((_MARGIN, top + 2), LABELS[label], INK, bold)
        for number, row in enumerate(band):
            pen.text((_MARGIN, top + 4 + (int(bold.size * 1.3) if number == 0 else 0)), row.magnification, FAINT, text)
            for images, place in zip(row.blocks, places, strict=True):
                for column, image in enumerate(images):
                    tile = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
                    sheet.paste(tile, (place + column * (side + _GAP), top))
            top += side + _GAP
        top += _BAND_GAP
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))  # Pillow's other font comes in one size


def _caption(training: TrainingImages, rows: Sequence[_Row], fold: FoldGans, names: tuple, pooled: bool) -> str:
    options = fold.options
    quality = f" This is {DEMONSTRATION}." if is_demonstration(options) else ""
    learned = (
        "One GAN per class learned all source magnifications together: rows of the right block are not magnifications."
        if pooled
        else "One GAN per class and source magnification."
    )
    lines = [
        f"Real and synthetic images of {fold.title}.",
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
