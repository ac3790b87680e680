"""Risk-coverage curves: what deciding only the certain images would save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.risk_coverage import risk_coverage_table
from magsig_tf.report.figures.base import Figure, legend_above, said_counts
from magsig_tf.report.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


class RiskCoverage(Figure):
    """A curve a method over the pooled held-out answers.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    name = "risk_coverage"
    caption = (
        "Share of wrong decisions among the most certain images at held-out magnifications, pooled. A curve that does "
        "not fall to the left has certainties that do not know where it errs. Bands: 95 % of bootstraps over cases."
    )
    absent = "not run: no answer at a held-out magnification"

    def __init__(self, matrix: Matrix, replicates: int = 200, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix, self._replicates = matrix, replicates

    def _compute(self) -> pd.DataFrame:
        return risk_coverage_table(self._matrix, self._replicates)

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax, palette, handles = drawing.subplots(), self.palette(), {}
        for label, curve in frame.groupby("label", sort=False):
            look, x = palette[label], 100 * curve["coverage"]
            ax.fill_between(x, 100 * curve["low"], 100 * curve["high"], color=look.colour, alpha=0.13, linewidth=0)
            handles[label] = ax.plot(x, 100 * curve["risk"], look.line, color=look.colour)[0]
        ax.set_xlim(0, 100)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(f"images decided, most certain first (%)\n{said_counts(frame)}")
        ax.set_ylabel("wrong decisions among them (%)")
        legend_above(drawing, list(handles.values()), list(handles))
