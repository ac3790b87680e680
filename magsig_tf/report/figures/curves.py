"""Curves: ROC and calibration of the paper's figures 3 and 5, and risk against coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.curves import reliability_table, risk_coverage_table, roc_table
from magsig_tf.evaluation.printed import number
from magsig_tf.report.figures.base import GREY, SMALLEST, Figure, Palette, legend_above, panels, said_counts, shortened
from magsig_tf.runs.matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D


class PooledCalibration(Figure):
    """A reliability diagram per method, over the pooled held-out predictions.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "pooled_calibration"
    caption = (
        "Share of images that are malignant against the probability given to them, at held-out magnifications pooled, "
        "15 bins of equal counts. On the dotted line probabilities are calibrated; below it, malignancy is "
        "overestimated. Bands: 95 % of bootstraps over cases, bin by bin."
    )
    absent = "not run: no predictions at a held-out magnification"

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


class RiskCoverage(Figure):
    """A curve per method over the pooled held-out predictions.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "risk_coverage"
    caption = (
        "Share of misclassified images among the most certain ones at held-out magnifications, pooled. A curve "
        "that does not fall to the left has certainty that does not predict its errors. Bands: 95 % of bootstraps "
        "over cases."
    )
    absent = "not run: no predictions at a held-out magnification"

    def __init__(self, matrix: Matrix, replicates: int = 200, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix, self._replicates = matrix, replicates

    def _compute(self) -> pd.DataFrame:
        return risk_coverage_table(self._matrix, self._replicates)

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax, palette = drawing.subplots(), self.palette()
        handles: dict[str, Line2D] = {}
        for label in dict.fromkeys(frame["label"]):
            curve = frame[frame["label"] == label]
            look, x = palette[label], 100 * curve["coverage"]
            ax.fill_between(x, 100 * curve["low"], 100 * curve["high"], color=look.colour, alpha=0.13, linewidth=0)
            handles[label] = ax.plot(x, 100 * curve["risk"], look.line, color=look.colour)[0]
        ax.set_xlim(0, 100)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(f"images decided, most certain first (%)\n{said_counts(frame)}")
        ax.set_ylabel("misclassified among them (%)")
        legend_above(drawing, list(handles.values()), list(handles))


class RocPerHoldout(Figure):
    """A panel per holdout, a curve per method.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "roc_per_holdout"
    caption = (
        "ROC curves at the held-out magnification, mean over patient folds and seeds, images as units. Bands: 95 % of "
        "bootstraps over cases, pointwise at each false positive rate. Dotted: chance."
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
