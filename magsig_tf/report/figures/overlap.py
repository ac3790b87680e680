"""Figure 6: overlap of signatures between holdouts, beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magsig_tf.evaluation.printed import number
from magsig_tf.report.figures.base import LIGHT, SMALLEST, Figure, Palette, panels, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.image import AxesImage

QUANTITIES = {"jaccard": "Jaccard", "expected": "chance", "adjusted": "adjusted"}
"""Columns of the pairs that are drawn, and their titles."""
_DARK = 0.55


class SignatureOverlap(Figure):
    """A row of heat maps per method: Jaccard of every pair of holdouts, what chance gives, and what is beyond it.

    Args:
        pairs: The frame of pairs (`signature_pairs.parquet`).
        palette: Not used; the colour of a cell is its value.
    """

    name = "signature_overlap"
    caption = (
        "Overlap of the signatures of every pair of holdouts, mean over patient folds and seeds. Read the right "
        "column: 0 is what two random sets of the same sizes share, 1 the same set. A dash is not defined (an empty "
        "signature)."
    )
    absent = "not run: no two holdouts with signatures to compare (magsig signatures --compare-folds)"

    def __init__(self, pairs: pd.DataFrame, palette: Palette | None = None):
        super().__init__(palette)
        self._pairs = pairs

    def _compute(self) -> pd.DataFrame:
        if not len(self._pairs):
            return pd.DataFrame(columns=["label", "first", "second", *QUANTITIES, "comparisons"])
        grouped = self._pairs.groupby(["label", "first", "second"], sort=False)
        means = grouped[list(QUANTITIES)].mean()
        means["comparisons"] = grouped.size()
        return means.reset_index()

    def _height(self, frame: pd.DataFrame) -> float:
        return 28.0 * frame["label"].nunique() + 10

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels = list(dict.fromkeys(frame["label"]))
        axes = panels(drawing, len(labels), len(QUANTITIES))
        # the same places for every method, so that one with fewer holdouts is read beside the others
        names, maps = _names(frame), []
        for row, label in enumerate(labels):
            for column, (quantity, title) in enumerate(QUANTITIES.items()):
                ax = axes[row * len(QUANTITIES) + column]
                maps.append(_heat_map(ax, frame[frame["label"] == label], quantity, names))
                if not row:
                    ax.set_title(title)
                if not column:
                    ax.set_ylabel(shortened(label, 18))
                else:
                    ax.set_yticklabels([])
                if row < len(labels) - 1:
                    ax.set_xticklabels([])
        bar = drawing.colorbar(maps[-1], ax=axes, shrink=0.6, aspect=25, pad=0.02, ticks=[0, 0.5, 1])
        bar.ax.set_yticklabels(["0", ".5", "1"])
        bar.outline.set_linewidth(0.4)
        count = int(frame["comparisons"].min()), int(frame["comparisons"].max())
        rests = str(count[0]) if count[0] == count[1] else f"{count[0]} to {count[1]}"
        drawing.supxlabel(f"held-out magnification (n = {rests} comparison(s) per cell)", fontsize=SMALLEST + 0.5)


def _names(frame: pd.DataFrame) -> list[str]:
    """Return the holdouts of all methods, in the order of the method that has most of them."""
    own = [dict.fromkeys([*rows["first"], *rows["second"]]) for _, rows in frame.groupby("label", sort=False)]
    return list(max(own, key=len) | dict.fromkeys(name for names in own for name in names))


def _heat_map(ax: Axes, frame: pd.DataFrame, quantity: str, names: list[str]) -> AxesImage:
    across, down = names[:-1], names[1:]
    table = np.full((len(down), len(across)), np.nan)
    drawn = np.zeros_like(table, bool)
    for row in frame.to_dict("records"):
        one, other = sorted((names.index(row["first"]), names.index(row["second"])))
        table[other - 1, one], drawn[other - 1, one] = row[quantity], True
    # two random sets may overlap less than on average: such a cell is as pale as 0 and says its number
    shown = ax.imshow(np.ma.masked_invalid(table), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (y, x), value in np.ndenumerate(table):
        if drawn[y, x]:
            missing = np.isnan(value)
            colour = "white" if not missing and value > _DARK else "black"
            ax.text(x, y, "-" if missing else number(value), ha="center", va="center", fontsize=SMALLEST, color=colour)
    ax.set_facecolor(LIGHT if np.isnan(table[drawn]).any() else "white")
    ax.set_xticks(range(len(across)), across)
    ax.set_yticks(range(len(down)), down)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return shown
