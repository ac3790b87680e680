"""Values with their intervals: metrics of figure 4, paired differences, the drop, probes, and signature sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS, choose_metrics
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import ONE_SIDED
from magsig_tf.report.figures import marks
from magsig_tf.report.figures.base import BLACK, GREY, LIGHT, SMALLEST, Figure, Palette
from magsig_tf.report.figures.marks import DASHED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

SHOWN = ("auc", "f1", "brier", "ece")
_COUNTS = ["cases_benign", "cases_malignant", "images"]


class _OfMetrics(Figure):
    """A panel per metric."""

    columns: ClassVar[list[str]]
    """What is taken of the table."""
    directions: ClassVar[dict[str, str]]
    """What is said of a metric whose higher or lower values are better."""

    def __init__(
        self, table: pd.DataFrame, metrics: Sequence[str] = SHOWN, level: str = "image", palette: Palette | None = None
    ):
        super().__init__(palette)
        self._table, self._level = table, level
        self._metrics = [metric.name for metric in choose_metrics(metrics)]

    def _compute(self) -> pd.DataFrame:
        if not len(self._table):
            return pd.DataFrame(columns=self.columns)
        kept = (self._table["level"] == self._level) & self._table["value"].notna()
        if "quantity" in self._table:
            kept &= self._table["quantity"] == "held_out"
        return self._table.loc[kept & self._table["metric"].isin(self._metrics), self.columns].reset_index(drop=True)

    def _draw_panels(self, drawing: Drawing, frame: pd.DataFrame, by: str, across: bool) -> str:
        """Draw each metric, those `by` a column beside each other; return the cases and images behind them in words."""
        holdouts, palette = marks.in_order(frame["holdout"], self._table["holdout"]), self.palette()
        placed = frame.assign(place=marks.side_by_side(frame, holdouts, by))
        handles: dict[str, Line2D] = {}
        shared: dict[str, Any] = {"sharey" if across else "sharex": True}
        for ax, metric, rows in marks.panels_by(drawing, placed, "metric", self._metrics, **shared):
            if across:
                ax.axvline(0, color=GREY, linewidth=0.7, linestyle=":")
                ax.locator_params(axis="x", nbins=4)
            else:
                ax.tick_params(axis="x", length=0)
            for row in rows.to_dict("records"):
                handles[row[by]] = marks.draw_interval(ax, row, palette[row["label"]], across=across)
            marks.categories(ax, holdouts, down=across, edges=not across)
            better = self.directions.get(METRICS[metric].better)
            ax.set_title(METRICS[metric].title + (f" ({better})" if better else ""))
        marks.legend_above(drawing, handles)
        single = frame[frame["holdout"] != POOLED]
        return marks.said_counts(single if len(single) else frame)


class MetricsPerHoldout(_OfMetrics):
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
        "bootstrap over cases. A dashed bar is a one-sided bound; a point without bars has no interval; a gap was not "
        "run or is not defined."
    )
    absent = "not run: no number at a held-out magnification"
    columns: ClassVar = ["label", "holdout", "metric", "value", "low", "high", "interval", *_COUNTS, "runs", "reason"]
    directions: ClassVar = {"higher": "higher is better", "lower": "lower is better"}

    def _height(self, frame: pd.DataFrame) -> float:
        return 36.0 * marks.rows_of(frame["metric"].nunique()) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        drawing.supxlabel(f"held-out magnification\n{self._draw_panels(drawing, frame, 'label', across=False)}")


class PairedDifferences(_OfMetrics):
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
    columns: ClassVar = ["label", "reference_label", "holdout", "metric", "value", "low", "high", "p", "holm_p"]
    columns += [*_COUNTS, "pairs"]
    directions: ClassVar = {"higher": "above 0 is better", "lower": "below 0 is better"}

    def _height(self, frame: pd.DataFrame) -> float:
        rows = frame["holdout"].nunique() * max(1.0, 0.6 * len(frame.groupby(["label", "reference_label"])))
        return (6.0 * rows + 12) * marks.rows_of(frame["metric"].nunique()) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        references = sorted(set(frame["reference_label"]))
        to = f" to {marks.shortened(references[0])}" if len(references) == 1 else ""
        pair = frame["label"] if to else frame["label"] + " - " + frame["reference_label"]
        behind = self._draw_panels(drawing, frame.assign(pair=pair), "pair", across=True)
        drawing.supxlabel(f"difference{to}\n{behind}")
        drawing.supylabel("held-out magnification")


class HeldOutAgainstSource(Figure):
    """Left both values of each method at each magnification, right their difference with its interval: the drop.

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
        drops = drops[[*keys, "value", "low", "high", *_COUNTS]].rename(columns={"value": "drop"})
        source = table[table["quantity"] == "as_source"][[*keys, "value"]].rename(columns={"value": "as_source"})
        joined = drops.merge(source, on=keys)
        # not the held-out value of the summary, which may rest on more runs than have a partner
        lower = METRICS[self._metric].better == "lower"  # then the sign of the drop is turned
        joined["held_out"] = joined["as_source"] + joined["drop"] * (-1 if lower else 1)
        return joined[[*keys, "as_source", "held_out", "drop", "low", "high", *_COUNTS]]

    def _height(self, frame: pd.DataFrame) -> float:
        return 4.2 * frame["holdout"].nunique() * (frame["label"].nunique() + 1) + 20

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        holdouts, palette = marks.in_order(frame["holdout"], self._table["holdout"]), self.palette()
        left, right = marks.panels(drawing, 2, sharey=True)
        right.axvline(0, color=GREY, linewidth=0.7, linestyle=":")
        handles: dict[str, Line2D] = {}
        for row in frame.assign(place=marks.side_by_side(frame, holdouts), value=frame["drop"]).to_dict("records"):
            place, look = row["place"], palette[row["label"]]
            left.plot([row["as_source"], row["held_out"]], [place, place], "-", color=look.colour, linewidth=0.8)
            left.plot([row["as_source"]], [place], look.marker, color=look.colour, markerfacecolor="white")
            left.plot([row["held_out"]], [place], look.marker, color=look.colour)
            handles[row["label"]] = marks.draw_interval(right, row, look, across=True)
        title = METRICS[self._metric].title
        words = (f"{title}: hollow: trained at it,\nfilled: held out", f"drop in {title}\n(below 0: worse)")
        for ax, measured in zip((left, right), words, strict=True):
            marks.categories(ax, holdouts, down=True, edges=True)
            ax.locator_params(axis="x", nbins=4)
            ax.set_xlabel(measured)
        left.set_ylabel("magnification")
        drawing.supxlabel(marks.said_counts(frame))
        marks.legend_above(drawing, handles)


_PROBES = {
    "linear": ("balanced_accuracy", "magnification,\nlinear", "balanced\naccuracy"),
    "neighbours": ("balanced_accuracy", "magnification,\nk-NN", "balanced\naccuracy"),
    "identity": ("top1", "same case,\nnearest row", "top-1\naccuracy"),
}
"""Metric of each probe's panel, its title and what its bars measure."""


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
        columns = ["label", "kind", "rows", "probe", "metric", "value", "low", "high", "interval", "chance"]
        columns += ["shuffled", "cases", "embeddings", "images", "reason"]
        if not len(self._table):
            return pd.DataFrame(columns=columns)
        table = self._table[self._table["rows"] == self._rows].rename(columns={"subject": "label"})
        table = table.assign(interval=table.get("interval", ""))  # files of older versions do not tell the kind
        table = table[table["probe"].map({probe: metric for probe, (metric, *_) in _PROBES.items()}) == table["metric"]]
        keys = ["label", "probe", "metric"]
        shuffled = table.loc[table["control"] == "shuffled", [*keys, "value"]].rename(columns={"value": "shuffled"})
        joined = table[table["control"] == "none"].merge(shuffled, on=keys, how="left")[columns]
        # numbers that are not defined stay, so that a bar that lacks is told from one at 0
        return joined if joined["value"].notna().any() else joined.iloc[:0]

    def palette(self) -> Palette:
        """Return the appearances of the methods; controls are grey and take none of the colours."""
        frame = self._frame
        return self._given or Palette(frame.loc[frame["kind"] != "control", "label"])

    def _height(self, frame: pd.DataFrame) -> float:
        return 6.0 * frame["label"].nunique() + 34

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels = marks.in_order(frame["label"])
        placed = frame.assign(place=frame["label"].map(labels.index))
        handles: dict[str, Line2D] = {}
        shown = marks.panels_by(drawing, placed, "probe", _PROBES, len(_PROBES), sharey=True)
        for ax, probe, rows in shown:
            for row in rows.to_dict("records"):
                handles |= self._bar(ax, row)
            ax.tick_params(axis="y", length=0)
            marks.unit_axis(ax, "x")
            _, title, measured = _PROBES[probe]
            ax.set(title=title, xlabel=measured)
        marks.categories(shown[0][0], [marks.shortened(label, 20) for label in labels], down=True)
        cases = marks.said_range(frame.loc[frame["value"].notna(), "cases"])
        where = "source" if self._rows == "source" else "all"
        drawing.supxlabel(f"n = {cases} test cases, rows at {where} magnifications")
        marks.legend_above(drawing, handles)

    def _bar(self, ax: Axes, row: dict) -> dict[str, Line2D]:
        """Draw one bar and return what stands in the legend."""
        place = row["place"]
        handles: dict[str, Line2D] = {}
        if np.isnan(row["value"]):
            ax.text(0.02, place, "not defined", va="center", fontsize=SMALLEST, color="#444444")
            return handles
        colour = LIGHT if row["kind"] == "control" else self.palette()[row["label"]].colour
        ax.barh(place, row["value"], height=0.62, color=colour, edgecolor=BLACK, linewidth=0.4)
        ends = [row["low"], row["high"]]
        if np.isfinite(ends).all():
            name, line = ("one-sided bound", DASHED) if row["interval"] == ONE_SIDED else ("95 % interval", "-")
            handles[name] = ax.plot(ends, [place, place], linestyle=line, color=BLACK, linewidth=1.4)[0]
        if np.isfinite(row["shuffled"]):
            # above the line of chance, where it should lie
            look: dict[str, Any] = {"color": BLACK, "markerfacecolor": "white", "markersize": 3.0, "zorder": 3}
            handles["shuffled"] = ax.plot([row["shuffled"]], [place], "D", linestyle="none", **look)[0]
        # a piece a row: cases differ between embeddings, and so does the chance to find them
        ends = [place - 0.5, place + 0.5]
        handles["chance"] = ax.plot([row["chance"]] * 2, ends, "--", dashes=(2, 1.4), color=BLACK, linewidth=0.8)[0]
        return handles


_RATIO_OF_LOG = 20
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""


class SignatureSize(Figure):
    """Figure 7: a point per run, a line at the mean, for each method and holdout.

    Args:
        signatures: The frame of signatures (`signatures.parquet`).
        palette: Appearances of the methods.
    """

    name = "signature_size"
    caption = (
        "Dimensions that the sparse classifier keeps, one marker per run (patient folds and seeds), the line at their "
        "mean. p is the number of dimensions of the embedding."
    )
    absent = "not run: no signature (magsig signatures)"

    def __init__(self, signatures: pd.DataFrame, palette: Palette | None = None):
        super().__init__(palette)
        self._signatures = signatures

    def _compute(self) -> pd.DataFrame:
        columns = ["label", "holdout", "patient_fold", "seed", "k", "p"]
        known = self._signatures.reindex(columns=columns).dropna(subset="k")
        return known.astype({"k": int}).reset_index(drop=True)

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax, palette, holdouts = drawing.subplots(), self.palette(), marks.in_order(self._signatures["holdout"])
        handles: dict[str, Line2D] = {}
        width = min(0.1, 0.25 / frame["label"].nunique())
        placed = frame.assign(place=marks.side_by_side(frame, holdouts))
        for _, runs in placed.groupby(["label", "place"], sort=False):
            label, x = runs[["label", "place"]].iloc[0]
            look = palette[label]
            ax.hlines(runs["k"].mean(), x - width, x + width, color=look.colour, linewidth=1.2)
            handles[label] = ax.plot(runs["place"], runs["k"], look.marker, color=look.colour, clip_on=False)[0]
        if frame["k"].min() > 0 and frame["k"].max() / frame["k"].min() > _RATIO_OF_LOG:
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, frame["k"].max() * 1.1 + 1)
        marks.categories(ax, holdouts)
        ax.set_xlabel(f"held-out magnification (n = {len(frame)} runs)")
        ax.set_ylabel(f"size k of the signature (of p = {' or '.join(map(str, sorted(set(frame['p']))))})")
        marks.legend_above(drawing, handles)
