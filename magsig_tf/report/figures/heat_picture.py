"""Pictures of explanations: an image beside its map of heat, alone or on a contact sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.atomic_files import replacing
from magsig_tf.report.figures.base import MM_PER_INCH, NORMAL, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


MAP = "viridis"
"""Seen by everyone, and far from the pink and violet of the stain."""
OPACITY = 0.7
"""Of the strongest heat; weaker heat covers less, so that the tissue stays in sight."""
BAR = "evidence for malignant,\nrelative to the strongest\nplace of the image"
SILENT = "no evidence for malignant"
LARGEST = 1000
"""Longest side that is drawn, in pixels: more would not be seen."""
DPI = 200
_PICTURE, _TILE, _HEAD, _BAR_WIDTH = 75.0, 32.0, 8.0, 20.0  # mm
_GAP = 0.12  # of a tile
_BAR_HEIGHT = 75.0  # mm, at most
_LONGEST_NAME = {"picture": 90, "tile": 46}


@dataclass(frozen=True)
class HeatTile:
    """What is drawn of one image.

    Args:
        name: Of the file.
        image: uint8 [height, width, 3].
        heat: float32 [height, width] in 0..1.
        probability: Of malignant.
        label: What the model calls it.
    """

    name: str
    image: np.ndarray = field(repr=False)
    heat: np.ndarray = field(repr=False)
    probability: float
    label: str

    @property
    def said(self) -> str:
        """What the model says, in words."""
        silent = "" if self.heat.any() else f"; {SILENT}"
        return f"{self.label}, probability of malignant {self.probability:.3f}{silent}"


def heat_overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return an image with its heat laid over it, float [height, width, 3] in 0..1.

    Args:
        image: uint8 [height, width, 3].
        heat: In 0..1, [height, width]; colour and opacity both grow with it.
    """
    from matplotlib import colormaps

    heat = np.clip(np.asarray(heat, float), 0, 1)
    opacity = (OPACITY * heat)[..., np.newaxis]
    return image / 255.0 * (1 - opacity) + colormaps[MAP](heat)[..., :3] * opacity


def write_picture(path: Path, tile: HeatTile, title: str) -> None:
    """Write one image beside its overlay, with a colour bar.

    Args:
        path: PNG, or another format that matplotlib knows by its ending.
        tile: The image.
        title: Name of the model.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Drawing

    height = _PICTURE * tile.image.shape[0] / tile.image.shape[1]
    size = ((2 * _PICTURE + _BAR_WIDTH + 4) / MM_PER_INCH, (height + _HEAD + 6) / MM_PER_INCH)
    with rc_context(STYLE):
        drawing = Drawing(figsize=size, layout="constrained")
        plain, overlaid = drawing.subplots(1, 2)
        _draw(plain, overlaid, tile)
        drawing.suptitle(
            f"{_shortened(tile.name, _LONGEST_NAME['picture'])}\n{tile.said} ({title})",
            fontsize=NORMAL,
            x=0.01,
            ha="left",
        )
        _draw_bar(drawing, [plain, overlaid], [tile])
        _write(drawing, path)


def write_sheet(path: Path, tiles: Sequence[HeatTile], title: str, columns: int) -> None:
    """Write a contact sheet: each image beside its overlay, with its name and what the model says.

    Args:
        path: As in `write_picture`.
        tiles: At least one.
        title: Above everything.
        columns: Pairs in a row.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Drawing

    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    ratio = max(tile.image.shape[0] / tile.image.shape[1] for tile in tiles)
    width, height = columns * ((2 + _GAP) * _TILE) + _BAR_WIDTH + 4, rows * (_TILE * ratio + _HEAD) + 10
    with rc_context(STYLE):
        drawing = Drawing(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), layout="constrained")
        # image, overlay, and a gap that tells the pairs apart
        axes = drawing.subplots(rows, 3 * columns, squeeze=False, width_ratios=[1, 1, _GAP] * columns)
        for axis in axes.flat:
            axis.axis("off")
        for tile, (plain, overlaid, _) in zip(tiles, axes.reshape(-1, 3), strict=False):
            _draw(plain, overlaid, tile)
            name = _shortened(tile.name, _LONGEST_NAME["tile"])
            said = f"{tile.label} {tile.probability:.3f}" + ("" if tile.heat.any() else f"; {SILENT}")
            plain.set_title(f"{name}\n{said}", loc="left", fontsize=NORMAL - 1.5)
        drawing.suptitle(title, fontsize=NORMAL, x=0.01, ha="left")
        _draw_bar(drawing, axes, tiles)
        _write(drawing, path)


def _draw(plain: Axes, overlaid: Axes, tile: HeatTile) -> None:
    step = max(1, -(-max(tile.image.shape[:2]) // LARGEST))
    image, heat = tile.image[::step, ::step], tile.heat[::step, ::step]
    plain.imshow(image)
    overlaid.imshow(heat_overlay(image, heat))
    for axis in (plain, overlaid):
        axis.axis("off")


def _draw_bar(drawing: Drawing, axes: Iterable[Axes], tiles: Sequence[HeatTile]) -> None:
    """Draw the colours as they lie over the images' mean colour, since that is how they are seen."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    mean = np.mean([tile.image.reshape(-1, 3).mean(0) for tile in tiles], axis=0)
    levels = np.linspace(0, 1, 256)[np.newaxis]
    colours = heat_overlay(np.broadcast_to(mean, (1, 256, 3)), levels)[0]
    height = drawing.get_figheight() * MM_PER_INCH
    bar = drawing.colorbar(
        ScalarMappable(Normalize(0, 1), ListedColormap(colours)),
        ax=axes,
        shrink=min(0.8, _BAR_HEIGHT / height),
        aspect=20,
        anchor=(0.0, 1.0),
        pad=0.01,
    )
    bar.set_label(BAR)
    bar.outline.set_linewidth(0.4)


def _write(drawing: Drawing, path: Path) -> None:
    with replacing(path) as temporary:
        drawing.savefig(temporary, dpi=DPI)


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"...{name[3 - longest :]}"
