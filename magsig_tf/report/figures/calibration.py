"""Figure 5: pooled calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.reliability_curve import reliability_table
from magsig_tf.report.figures.base import Figure, panels, said_counts
from magsig_tf.report.figures.palette import GREY, Palette, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


class PooledCalibration(Figure):
    """A reliability diagram a method, over the pooled held-out answers.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "pooled_calibration"
    caption = (
        "Share of images that are malignant against the probability given to them, at held-out magnifications pooled, "
        "15 bins of equally many images. On the dotted line a probability means what it says; below it, malignancy is "
        "overestimated. Bands: 95 % of bootstraps over cases, bin by bin."
    )
    absent = "not run: no answer at a held-out magnification"

    def __init__(self, matrix: Matrix, replicates: int = 500, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix, self._replicates = matrix, replicates

    def _compute(self) -> pd.DataFrame:
        return reliability_table(self._matrix, self._replicates)

    def _height(self, frame: pd.DataFrame) -> float:
        return 43.0 * -(-frame["label"].nunique() // 2) + 8

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels, palette = list(dict.fromkeys(frame["label"])), self.palette()
        axes = panels(drawing, -(-len(labels) // 2), min(2, len(labels)), sharex=True, sharey=True)
        for ax, label in zip(axes, labels, strict=False):
            curve, look = frame[frame["label"] == label], palette[label]
            ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=0.7)
            x = curve["probability"]
            ax.fill_between(x, curve["low"], curve["high"], color=look.colour, alpha=0.18, linewidth=0)
            ax.plot(x, curve["malignant_share"], look.marker, linestyle=look.line, color=look.colour, markersize=2.8)
            ax.set_title(f"{shortened(label, 20)}: ECE {number(curve['ece'].iloc[0])}")
            ax.set_aspect("equal")
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1)
            ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
            ax.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
        for ax in axes[len(labels) :]:
            ax.set_axis_off()
        drawing.supxlabel(f"probability of malignant\n({said_counts(frame)})", fontsize=6.5)
        drawing.supylabel("share that is malignant", fontsize=6.5)
