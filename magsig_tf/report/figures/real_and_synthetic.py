"""Figure 2: real beside synthetic images, as training the GANs left them, with the words that belong to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import MagsigError
from magsig_tf.report.figures.base import WIDTH, Figure, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

PICTURE = "real_and_synthetic.png"
_COLUMNS = ["holdout", "patient_fold", "width", "steps", "size", "demonstration", "path", "words"]


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
        rows = [row for path in sorted(self._folder.glob(f"*/*/{PICTURE}")) for row in _row(path)]
        frame = pd.DataFrame(rows, columns=_COLUMNS)
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


def _row(path: Path) -> list[dict]:
    """Return the row of a picture, none where its fold is not finished or its record cannot be read."""
    try:
        record = read_json(path.parent / "fold.json")
    except MagsigError:
        return []
    if record.get("status") != "done":
        return []
    options = record.get("options") or {}
    words = path.with_suffix(".txt")
    told = words.read_text(encoding="utf-8", errors="replace").split("\n\n")[0] if words.is_file() else ""
    return [
        {
            "holdout": str(record.get("holdout")),
            "patient_fold": record.get("patient_fold"),
            "width": options.get("gan_width"),
            "steps": options.get("gan_steps"),
            "size": options.get("gan_size"),
            "demonstration": bool(record.get("demonstration")),
            "path": str(path),
            "words": told,
        }
    ]
