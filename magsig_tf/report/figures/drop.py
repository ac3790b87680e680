"""The drop: a held-out magnification against the same magnification as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.report.figures.base import (
    GREY,
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


class HeldOutAgainstSource(Figure):
    """Left both values of each method at each magnification, right their difference with its interval.

    Args:
        table: The summary frame (`Summary.frame()`, or `summary.parquet`).
        metric: Name of the metric.
        level: "image" or "case".
        palette: Appearances of the methods.
    """

    name = "held_out_against_source"
    caption = (
        "The same test images in models not trained at their magnification (filled) and in models trained at it "
        "(hollow); right, the drop with its 95 % interval from a bootstrap over cases."
    )
    absent = "not run: a drop needs runs with another holdout on the same cases"

    def __init__(self, table: pd.DataFrame, metric: str = "auc", level: str = "image", palette: Palette | None = None):
        super().__init__(palette)
        self._table, self._metric, self._level = table, metric, level

    def _compute(self) -> pd.DataFrame:
        keys = ["label", "holdout"]
        table = self._table[(self._table["metric"] == self._metric) & (self._table["level"] == self._level)]
        table = table[table["holdout"] != POOLED]
        drops = table[(table["quantity"] == "drop") & table["value"].notna()]
        counts = ["cases_benign", "cases_malignant", "images"]
        drops = drops[[*keys, "value", "low", "high", *counts]].rename(columns={"value": "drop"})
        source = table[table["quantity"] == "as_source"][[*keys, "value"]].rename(columns={"value": "as_source"})
        joined = drops.merge(source, on=keys)
        # not the held-out value of the summary, which may rest on more runs than have a partner
        lower = METRICS[self._metric].better == "lower"  # then the sign of the drop is turned
        joined["held_out"] = joined["as_source"] + joined["drop"] * (-1 if lower else 1)
        return joined[[*keys, "as_source", "held_out", "drop", "low", "high", *counts]]

    def _height(self, frame: pd.DataFrame) -> float:
        return 4.2 * frame["holdout"].nunique() * (frame["label"].nunique() + 1) + 20

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        holdouts = [name for name in dict.fromkeys(self._table["holdout"]) if name in set(frame["holdout"])]
        labels, palette = list(dict.fromkeys(frame["label"])), self.palette()
        handles: dict[str, Line2D] = {}
        shifts, (left, right) = dodge(len(labels)), panels(drawing, 1, 2, sharey=True)
        right.axvline(0, color=GREY, linewidth=0.7, linestyle=":")
        for row in frame.to_dict("records"):
            label, source, held_out = row["label"], row["as_source"], row["held_out"]
            place, look = holdouts.index(row["holdout"]) + shifts[labels.index(label)], palette[label]
            left.plot([source, held_out], [place, place], "-", color=look.colour, linewidth=0.8)
            left.plot([source], [place], look.marker, color=look.colour, markerfacecolor="white")
            left.plot([held_out], [place], look.marker, color=look.colour)
            handles[label] = draw_interval(right, place, row["drop"], row["low"], row["high"], look, across=True)
        title = METRICS[self._metric].title
        _finish(left, holdouts, f"{title}: hollow: trained at it,\nfilled: held out")
        _finish(right, holdouts, f"drop in {title}\n(below 0: worse)")
        left.set_ylabel("magnification")
        drawing.supxlabel(said_counts(frame), fontsize=SMALLEST + 0.5)
        legend_above(drawing, list(handles.values()), list(handles))


def _finish(ax: Axes, holdouts: list[str], words: str) -> None:
    ax.set_yticks(range(len(holdouts)), holdouts)
    ax.set_ylim(len(holdouts) - 0.5, -0.5)
    for edge in range(1, len(holdouts)):
        ax.axhline(edge - 0.5, color="#EEEEEE", linewidth=0.6, zorder=0)
    ax.locator_params(axis="x", nbins=4)
    ax.set_xlabel(words)
