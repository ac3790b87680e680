"""Figure 4: metrics at each held-out magnification, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS, choose_metrics
from magsig_tf.report.figures.base import (
    SMALLEST,
    Figure,
    Palette,
    dodge,
    draw_interval,
    legend_above,
    panels,
    said_counts,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

SHOWN = ("auc", "f1", "brier", "ece")
_ARROWS = {"higher": "higher is better", "lower": "lower is better"}


class MetricsPerHoldout(Figure):
    """A panel per metric, a point with its interval for each method and holdout.

    Args:
        table: The summary frame (`Summary.frame()`, or `summary.parquet`).
        metrics: Names of metrics.
        level: "image" or "case".
        palette: Appearances of the methods.
    """

    name = "metrics_per_holdout"
    caption = (
        "Each method at the held-out magnification, and pooled over all of them, with 95 % intervals from a "
        "bootstrap over cases. A point without bars has no interval; a gap was not run or is not defined."
    )
    absent = "not run: no number at a held-out magnification"

    def __init__(
        self, table: pd.DataFrame, metrics: Sequence[str] = SHOWN, level: str = "image", palette: Palette | None = None
    ):
        super().__init__(palette)
        self._table, self._level = table, level
        self._metrics = [metric.name for metric in choose_metrics(metrics)]

    def _compute(self) -> pd.DataFrame:
        table = self._table
        kept = (table["quantity"] == "held_out") & (table["level"] == self._level) & table["value"].notna()
        columns = ["label", "holdout", "metric", "value", "low", "high"]
        counts = ["cases_benign", "cases_malignant", "images", "runs", "reason"]
        return table.loc[kept & table["metric"].isin(self._metrics), columns + counts].reset_index(drop=True)

    def _height(self, frame: pd.DataFrame) -> float:
        return 36.0 * -(-frame["metric"].nunique() // 2) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        shown = [name for name in self._metrics if name in set(frame["metric"])]
        holdouts = [name for name in dict.fromkeys(self._table["holdout"]) if name in set(frame["holdout"])]
        axes = panels(drawing, -(-len(shown) // 2), min(2, len(shown)), sharex=True)
        labels: list[str] = list(dict.fromkeys(frame["label"]))
        handles: dict[str, Line2D] = {}
        for ax, metric in zip(axes, shown, strict=False):
            self._panel(ax, frame[frame["metric"] == metric], metric, holdouts, labels, handles)
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        drawing.supxlabel(f"held-out magnification\n{said_counts(self._per_holdout(frame))}", fontsize=SMALLEST + 0.5)
        legend_above(drawing, list(handles.values()), list(handles))

    def _panel(
        self, ax: Axes, frame: pd.DataFrame, metric: str, holdouts: list[str], labels: list[str], handles: dict
    ) -> None:
        palette, shifts = self.palette(), dodge(len(labels))
        for row in frame.to_dict("records"):
            x, label = holdouts.index(row["holdout"]) + shifts[labels.index(row["label"])], row["label"]
            handles[label] = draw_interval(ax, x, row["value"], row["low"], row["high"], palette[label])
        for edge in range(1, len(holdouts)):
            ax.axvline(edge - 0.5, color="#EEEEEE", linewidth=0.6, zorder=0)
        ax.set_xlim(-0.5, len(holdouts) - 0.5)
        ax.set_xticks(range(len(holdouts)), holdouts)
        ax.tick_params(axis="x", length=0)
        better = _ARROWS.get(METRICS[metric].better, "")
        ax.set_title(f"{METRICS[metric].title}{f' ({better})' if better else ''}")

    def _per_holdout(self, frame: pd.DataFrame) -> pd.DataFrame:
        single = frame[frame["holdout"] != "pooled"]
        return single if len(single) else frame
