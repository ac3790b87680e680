"""Pictures of images: real beside synthetic ones (figure 2), and an image beside its map of heat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.checksums import ChangedError, read_signed_json, verified
from magsig_tf.errors import MagsigError
from magsig_tf.report.figures.base import MM_PER_INCH, NORMAL, STYLE, WIDTH, Figure, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


PICTURE = "real_and_synthetic.png"


class RealAndSynthetic(Figure):
    """The picture of one fold's GANs.

    Args:
        folder: The GANs of one data set, `Workspace.gan`.
        holdout: Whose picture to show; None takes the first finished fold.
        palette: Not used; there are no methods in it.
    """

    name = "real_and_synthetic"
    caption = (
        "Real training images (left) beside images drawn by the fold's GANs (right), one row per class and source "
        "magnification. Tiles were drawn at random, not picked."
    )
    # the picture's own words would be too small to read in one column
    width = 2 * WIDTH
    layout = "none"
    absent = "not run: no finished GANs with a picture"

    def __init__(self, folder: Path, holdout: str | None = None, palette: Palette | None = None):
        super().__init__(palette)
        self._folder, self._holdout = folder, holdout

    def words(self) -> str:
        """Return what training wrote about the picture that is shown, down to its list of tiles; empty without one."""
        return self._frame["words"].iloc[0] if len(self._frame) else ""

    def _compute(self) -> pd.DataFrame:
        columns = ["holdout", "patient_fold", "width", "steps", "size", "demonstration", "path", "words"]
        rows = []
        for folder in sorted({path.parent for path in self._folder.glob("*/*/*")}):
            path = verified(folder / PICTURE)
            if not path.is_file():
                continue
            try:
                record = read_signed_json(path.parent / "fold.json")
            except ChangedError:
                raise
            except MagsigError:
                continue  # what cannot be read is shown as little as what is not finished
            rows += [_row(path, record)] if record.get("status") == "done" else []
        frame = pd.DataFrame(rows, columns=columns)
        return frame if self._holdout is None else frame[frame["holdout"] == self._holdout].reset_index(drop=True)

    def _height(self, frame: pd.DataFrame) -> float:
        high, wide = _pixels(frame).shape[:2]
        return self.width * high / wide

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax = drawing.add_axes((0, 0, 1, 1))
        ax.imshow(_pixels(frame), interpolation="none")
        ax.set_axis_off()


def _pixels(frame: pd.DataFrame) -> np.ndarray:
    from matplotlib.image import imread

    return imread(frame["path"].iloc[0])


def _row(path: Path, record: dict) -> dict:
    """Return what is known of a picture, from the record of its fold."""
    options, words = record.get("options") or {}, verified(path.with_suffix(".txt"))
    told = words.read_text(encoding="utf-8", errors="replace").split("\n\n")[0] if words.is_file() else ""
    return {
        "holdout": str(record.get("holdout")),
        "patient_fold": record.get("patient_fold"),
        **{name: options.get(f"gan_{name}") for name in ("width", "steps", "size")},
        "demonstration": bool(record.get("demonstration")),
        "path": str(path),
        "words": told,
    }


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
    height = _PICTURE * tile.image.shape[0] / tile.image.shape[1]
    said = f"{_shortened(tile.name, 90)}\n{tile.said} ({title})"
    with _sheet(path, [tile], said, (2 * _PICTURE + _BAR_WIDTH + 4, height + _HEAD + 6), [1, 1]) as axes:
        _draw(axes[0, 0], axes[0, 1], tile)


def write_sheet(path: Path, tiles: Sequence[HeatTile], title: str, columns: int) -> None:
    """Write a contact sheet: each image beside its overlay, with its name and what the model says.

    Args:
        path: As in `write_picture`.
        tiles: At least one.
        title: Above everything.
        columns: Pairs in a row.
    """
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    ratio = max(tile.image.shape[0] / tile.image.shape[1] for tile in tiles)
    size = columns * ((2 + _GAP) * _TILE) + _BAR_WIDTH + 4, rows * (_TILE * ratio + _HEAD) + 10
    # image, overlay, and a gap that tells the pairs apart
    with _sheet(path, tiles, title, size, [1, 1, _GAP] * columns, rows) as axes:
        for tile, (plain, overlaid, _) in zip(tiles, axes.reshape(-1, 3), strict=False):
            _draw(plain, overlaid, tile)
            said = f"{tile.label} {tile.probability:.3f}" + ("" if tile.heat.any() else f"; {SILENT}")
            plain.set_title(f"{_shortened(tile.name, 46)}\n{said}", loc="left", fontsize=NORMAL - 1.5)


@contextmanager
def _sheet(
    path: Path, tiles: Sequence[HeatTile], title: str, size: tuple[float, float], widths: list[float], rows: int = 1
) -> Iterator[np.ndarray]:
    """Yield the axes of a drawing [rows, columns], and write it with its title and the colour bar of its tiles."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Drawing

    with rc_context(STYLE):
        drawing = Drawing(figsize=(size[0] / MM_PER_INCH, size[1] / MM_PER_INCH), layout="constrained")
        axes = drawing.subplots(rows, len(widths), squeeze=False, width_ratios=widths)
        for axis in axes.flat:
            axis.axis("off")
        yield axes
        drawing.suptitle(title, fontsize=NORMAL, x=0.01, ha="left")
        _draw_bar(drawing, axes, tiles)
        with replacing(path) as temporary:
            drawing.savefig(temporary, dpi=DPI)


def _draw(plain: Axes, overlaid: Axes, tile: HeatTile) -> None:
    step = max(1, -(-max(tile.image.shape[:2]) // LARGEST))
    image, heat = tile.image[::step, ::step], tile.heat[::step, ::step]
    plain.imshow(image)
    overlaid.imshow(heat_overlay(image, heat))


def _draw_bar(drawing: Drawing, axes: np.ndarray, tiles: Sequence[HeatTile]) -> None:
    """Draw the colours as they lie over the images' mean colour, since that is how they are seen."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    mean = np.mean([tile.image.reshape(-1, 3).mean(0) for tile in tiles], axis=0)
    levels = np.linspace(0, 1, 256)[np.newaxis]
    colours = heat_overlay(np.broadcast_to(mean, (1, 256, 3)), levels)[0]
    shrink = min(0.8, _BAR_HEIGHT / (drawing.get_figheight() * MM_PER_INCH))
    shown = ScalarMappable(Normalize(0, 1), ListedColormap(colours))
    bar = drawing.colorbar(shown, ax=axes, shrink=shrink, aspect=20, anchor=(0.0, 1.0), pad=0.01)
    bar.set_label(BAR)
    bar.outline.set_linewidth(0.4)


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"...{name[3 - longest :]}"
