"""Probes of frozen embeddings: what they still reveal about magnification and case, beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from magsig_tf.report.figures.base import BLACK, LIGHT, SMALLEST, Figure, Palette, legend_above, panels, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

_PANELS = {
    ("linear", "balanced_accuracy"): ("magnification,\nlinear", "balanced\naccuracy"),
    ("neighbours", "balanced_accuracy"): ("magnification,\nk-NN", "balanced\naccuracy"),
    ("identity", "top1"): ("same case,\nnearest row", "top-1\naccuracy"),
}
"""Probe and metric of each panel, its title and what its bars measure."""
_COLUMNS = ["label", "kind", "rows", "probe", "metric", "value", "low", "high", "chance", "shuffled"]
_COUNTS = ["cases", "embeddings", "images", "reason"]
_LONGEST_LABEL = 20


class ProbeBars(Figure):
    """A panel per probe, a bar with its interval per method and control, chance and the shuffled control beside it.

    Args:
        table: From `summarise_probes` (or `probes.parquet`).
        palette: Appearances of the methods.
        rows: "source" for the rows at the source magnifications of each run, "all" for those at the holdout too.
    """

    name = "probe_bars"
    caption = (
        "What classifiers predict from frozen embeddings of test cases that they were not fitted on, with 95 % "
        "intervals from a bootstrap over cases. Methods are coloured, controls grey. A bar beyond the dashed line of "
        "chance shows that the embedding still reveals the magnification, or the case; a bar at chance only says "
        "that this probe found nothing."
    )
    absent = "not run: no probe (magsig probe)"

    def __init__(self, table: pd.DataFrame, palette: Palette | None = None, rows: str = "source"):
        super().__init__(palette)
        self._table, self._rows = table, rows

    def _compute(self) -> pd.DataFrame:
        if not len(self._table):
            return pd.DataFrame(columns=_COLUMNS + _COUNTS)
        table = self._table[self._table["rows"] == self._rows].rename(columns={"subject": "label"})
        wanted = pd.MultiIndex.from_tuples(_PANELS)
        table = table[pd.MultiIndex.from_frame(table[["probe", "metric"]]).isin(wanted)]
        keys = ["label", "probe", "metric"]
        shuffled = table.loc[table["control"] == "shuffled", [*keys, "value"]].rename(columns={"value": "shuffled"})
        joined = table[table["control"] == "none"].merge(shuffled, on=keys, how="left")
        # numbers that are not defined stay, so that a bar that lacks is told from one at 0
        return joined[_COLUMNS + _COUNTS] if joined["value"].notna().any() else joined[_COLUMNS + _COUNTS].iloc[:0]

    def palette(self) -> Palette:
        """Return the appearances of the methods; controls are grey and take none of the colours."""
        frame = self._frame
        return self._given or Palette(frame.loc[frame["kind"] != "control", "label"])

    def _height(self, frame: pd.DataFrame) -> float:
        return 6.0 * frame["label"].nunique() + 34

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        shown = [panel for panel in _PANELS if (frame["probe"] == panel[0]).any()]
        labels: list[str] = list(dict.fromkeys(frame["label"]))
        handles: dict[str, Line2D] = {}
        axes = panels(drawing, 1, len(shown), sharey=True)
        for ax, panel in zip(axes, shown, strict=True):
            self._panel(ax, frame[frame["probe"] == panel[0]], labels, handles)
            title, measured = _PANELS[panel]
            ax.set_title(title)
            ax.set_xlabel(measured)
        axes[0].set_yticks(range(len(labels)), [shortened(label, _LONGEST_LABEL) for label in labels])
        axes[0].set_ylim(len(labels) - 0.5, -0.5)
        drawing.supxlabel(_said(frame, self._rows), fontsize=SMALLEST + 0.5)
        legend_above(drawing, list(handles.values()), list(handles))

    def _panel(self, ax: Axes, frame: pd.DataFrame, labels: list[str], handles: dict[str, Line2D]) -> None:
        palette = self.palette()
        for row in frame.to_dict("records"):
            place = labels.index(row["label"])
            if np.isnan(row["value"]):
                ax.text(0.02, place, "not defined", va="center", fontsize=SMALLEST, color="#444444")
                continue
            colour = LIGHT if row["kind"] == "control" else palette[row["label"]].colour
            ax.barh(place, row["value"], height=0.62, color=colour, edgecolor=BLACK, linewidth=0.4)
            ends = [row["low"], row["high"]]
            if np.isfinite(ends).all():
                handles["95 % interval"] = ax.plot(ends, [place, place], "-", color=BLACK, linewidth=1.4)[0]
            if np.isfinite(row["shuffled"]):
                # above the line of chance, where it should lie
                look: dict[str, Any] = {"color": BLACK, "markerfacecolor": "white", "markersize": 3.0, "zorder": 3}
                handles["shuffled"] = ax.plot([row["shuffled"]], [place], "D", linestyle="none", **look)[0]
            # a piece a row: cases differ between embeddings, and so does the chance to find them
            ends = [place - 0.5, place + 0.5]
            handles["chance"] = ax.plot([row["chance"]] * 2, ends, "--", dashes=(2, 1.4), color=BLACK, linewidth=0.8)[0]
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])


def _said(frame: pd.DataFrame, rows: str) -> str:
    known = frame[frame["value"].notna()]
    low, high = int(known["cases"].min()), int(known["cases"].max())
    cases = str(low) if low == high else f"{low} to {high}"
    where = "rows at source magnifications" if rows == "source" else "rows at all magnifications"
    return f"n = {cases} test cases, {where}"
