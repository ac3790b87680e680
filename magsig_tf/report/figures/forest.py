"""Forest plot of the paired differences between methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS, choose_metrics
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
    shortened,
)
from magsig_tf.report.figures.metrics import SHOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

_FAVOURS = {"higher": "above 0 is better", "lower": "below 0 is better"}


class PairedDifferences(Figure):
    """A panel per metric, a row per holdout, the difference of each method to its reference.

    Args:
        table: Frames of comparisons (`Comparison.frame()`), joined where there are several methods.
        metrics: Names of metrics.
        level: "image" or "case".
        palette: Appearances of the methods.
    """

    name = "paired_differences"
    caption = (
        "Method minus reference on the same cases and draws, with 95 % intervals. An interval that includes 0 is "
        "inconclusive; it does not show that the two are equal."
    )
    absent = "not run: no two methods with runs on the same splits"

    def __init__(
        self, table: pd.DataFrame, metrics: Sequence[str] = SHOWN, level: str = "image", palette: Palette | None = None
    ):
        super().__init__(palette)
        self._table, self._level = table, level
        self._metrics = [metric.name for metric in choose_metrics(metrics)]

    def _compute(self) -> pd.DataFrame:
        columns = ["label", "reference_label", "holdout", "metric", "value", "low", "high", "p", "holm_p"]
        counts = ["cases_benign", "cases_malignant", "images", "pairs"]
        if not len(self._table):
            return pd.DataFrame(columns=columns + counts)
        kept = (self._table["level"] == self._level) & self._table["value"].notna()
        return self._table.loc[kept & self._table["metric"].isin(self._metrics), columns + counts].reset_index(
            drop=True
        )

    def _height(self, frame: pd.DataFrame) -> float:
        rows = frame["holdout"].nunique() * max(1.0, 0.6 * len(_pairs(frame)))
        return (6.0 * rows + 12) * -(-frame["metric"].nunique() // 2) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        shown = [name for name in self._metrics if name in set(frame["metric"])]
        holdouts = [name for name in dict.fromkeys(self._table["holdout"]) if name in set(frame["holdout"])]
        axes = panels(drawing, -(-len(shown) // 2), min(2, len(shown)), sharey=True)
        pairs, palette = _pairs(frame), self.palette()
        handles: dict[tuple[str, str], Line2D] = {}
        shifts = dodge(len(pairs))
        for ax, metric in zip(axes, shown, strict=False):
            ax.axvline(0, color=GREY, linewidth=0.7, linestyle=":")
            for row in frame[frame["metric"] == metric].to_dict("records"):
                pair, ends = (row["label"], row["reference_label"]), (row["low"], row["high"])
                place = holdouts.index(row["holdout"]) + shifts[pairs.index(pair)]
                handles[pair] = draw_interval(ax, place, row["value"], *ends, palette[pair[0]], across=True)
            better = _FAVOURS.get(METRICS[metric].better)
            ax.set_title(METRICS[metric].title + (f" ({better})" if better else ""))
            ax.locator_params(axis="x", nbins=4)
            ax.set_yticks(range(len(holdouts)), holdouts)
            ax.set_ylim(len(holdouts) - 0.5, -0.5)
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        single = frame[frame["holdout"] != "pooled"]
        references = sorted({reference for _, reference in pairs})
        to = f" to {shortened(references[0])}" if len(references) == 1 else ""
        drawing.supxlabel(f"difference{to}\n{said_counts(single if len(single) else frame)}", fontsize=SMALLEST + 0.5)
        drawing.supylabel("held-out magnification", fontsize=SMALLEST + 0.5)
        words = [first if to else f"{first} - {second}" for first, second in handles]
        legend_above(drawing, list(handles.values()), words)


def _pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(frame["label"], frame["reference_label"], strict=True)))
