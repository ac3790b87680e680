"""Figure 3: ROC curves at each held-out magnification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.roc import roc_table
from magsig_tf.report.figures.base import SMALLEST, Figure, legend_above, panels, said_counts
from magsig_tf.report.figures.palette import GREY, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


class RocPerHoldout(Figure):
    """A panel a holdout, a curve a method.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "roc_per_holdout"
    caption = (
        "ROC curves at the held-out magnification, mean over patient folds and seeds, images as units. Bands: 95 % of "
        "bootstraps over cases, at each false positive rate by itself. Dotted: chance."
    )
    absent = "not run: no run with both classes in its test"

    def __init__(self, matrix: Matrix, replicates: int = 200, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix, self._replicates = matrix, replicates

    def _compute(self) -> pd.DataFrame:
        return roc_table(self._matrix, self._replicates)

    def _height(self, frame: pd.DataFrame) -> float:
        return 43.0 * -(-frame["holdout"].nunique() // 2) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        holdouts, palette = list(dict.fromkeys(frame["holdout"])), self.palette()
        holdouts = [name for name in self._matrix.holdouts if name in holdouts]
        axes = panels(drawing, -(-len(holdouts) // 2), min(2, len(holdouts)), sharex=True, sharey=True)
        handles = {}
        for ax, holdout in zip(axes, holdouts, strict=False):
            ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=0.7)
            here = frame[frame["holdout"] == holdout]
            for label, curve in here.groupby("label", sort=False):
                look = palette[label]
                x = curve["false_positive_rate"]
                ax.fill_between(x, curve["low"], curve["high"], color=look.colour, alpha=0.13, linewidth=0)
                handles[label] = ax.plot(x, curve["sensitivity"], look.line, color=look.colour, clip_on=False)[0]
            ax.set_title(f"{holdout} held out")
            ax.set_aspect("equal")
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1)
            ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
            ax.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
        for ax in axes[len(holdouts) :]:
            ax.set_axis_off()
        drawing.supxlabel(f"1 - specificity\n{said_counts(frame)}", fontsize=SMALLEST + 0.5)
        drawing.supylabel("sensitivity", fontsize=SMALLEST + 0.5)
        legend_above(drawing, list(handles.values()), list(handles))
