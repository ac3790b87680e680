"""Curves over their bands: ROC and calibration of the paper's figures 3 and 5, risk against coverage, training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.evaluation.curves import reliability_table, risk_coverage_table, roc_table
from magsig_tf.evaluation.printed import number
from magsig_tf.report.figures import marks
from magsig_tf.report.figures.base import GREY, MatrixFigure, Palette
from magsig_tf.runs.matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D


_SHARED: dict[str, Any] = {"sharex": True, "sharey": True}


class _Bootstrapped(MatrixFigure):
    """Curves of a matrix with bands from a bootstrap.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases, for the bands.
        palette: Appearances of the methods.
    """

    curves: ClassVar[Callable[..., pd.DataFrame]]
    """Calculates them."""
    absent = "not run: no predictions at a held-out magnification"

    def __init__(self, matrix: Matrix, replicates: int = 200, palette: Palette | None = None):
        super().__init__(matrix, palette)
        self._replicates = replicates

    def _compute(self) -> pd.DataFrame:
        return type(self).curves(self._matrix, self._replicates)

    def _square(self, ax: Axes, title: str) -> None:
        """Draw the diagonal of a panel whose axes both are shares."""
        ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=0.7)
        ax.set(title=title, aspect="equal")
        marks.unit_axis(ax, "x", "y")


class PooledCalibration(_Bootstrapped):
    """A reliability diagram per method, over the pooled held-out predictions; arguments as for `RocPerHoldout`."""

    name = "pooled_calibration"
    caption = (
        "Share of images that are malignant against the probability given to them, at held-out magnifications pooled, "
        "15 bins of equal counts. On the dotted line probabilities are calibrated; below it, malignancy is "
        "overestimated. Bands: 95 % of bootstraps over cases, bin by bin."
    )
    curves = staticmethod(reliability_table)

    def __init__(self, matrix: Matrix, replicates: int = 500, palette: Palette | None = None):
        super().__init__(matrix, replicates, palette)

    def _height(self, frame: pd.DataFrame) -> float:
        return 43.0 * marks.rows_of(frame["label"].nunique()) + 8

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        for ax, label, curve in marks.panels_by(drawing, frame, "label", **_SHARED):
            look = self.palette()[label]
            self._square(ax, f"{marks.shortened(label, 20)}: ECE {number(curve['ece'].iloc[0])}")
            dots = {"marker": look.marker, "markersize": 2.8}
            marks.draw_curve(ax, curve, "probability", "malignant_share", look, shade=0.18, **dots)
        drawing.supxlabel(f"probability of malignant\n({marks.said_counts(frame)})")
        drawing.supylabel("share that is malignant")


class RiskCoverage(_Bootstrapped):
    """A curve per method over the pooled held-out predictions; arguments as for `RocPerHoldout`."""

    name = "risk_coverage"
    caption = (
        "Share of misclassified images among the most certain ones at held-out magnifications, pooled. A curve "
        "that does not fall to the left has certainty that does not predict its errors. Bands: 95 % of bootstraps "
        "over cases."
    )
    curves = staticmethod(risk_coverage_table)

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax, palette = drawing.subplots(), self.palette()
        percent = frame.assign(**{name: 100 * frame[name] for name in ("coverage", "risk", "low", "high")})
        handles = {
            str(label): marks.draw_curve(ax, curve, "coverage", "risk", palette[str(label)])
            for label, curve in percent.groupby("label", sort=False)
        }
        ax.set_xlim(0, 100)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(f"images decided, most certain first (%)\n{marks.said_counts(frame)}")
        ax.set_ylabel("misclassified among them (%)")
        marks.legend_above(drawing, handles)


class RocPerHoldout(_Bootstrapped):
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
    curves = staticmethod(roc_table)

    def _height(self, frame: pd.DataFrame) -> float:
        return 43.0 * marks.rows_of(frame["holdout"].nunique()) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        handles, palette = {}, self.palette()
        for ax, holdout, here in marks.panels_by(drawing, frame, "holdout", self._matrix.holdouts, **_SHARED):
            self._square(ax, f"{holdout} held out")
            for label, curve in here.groupby("label", sort=False):
                axes = ("false_positive_rate", "sensitivity")
                handles[str(label)] = marks.draw_curve(ax, curve, *axes, palette[str(label)], clip_on=False)
        drawing.supxlabel(f"1 - specificity\n{marks.said_counts(frame)}")
        drawing.supylabel("sensitivity")
        marks.legend_above(drawing, handles)


SERIES = {
    "classification_loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "domain_accuracy": "domain accuracy",
    "lambda": "lambda",
}
"""What is drawn of a training, and its axis."""


class TrainingCurves(MatrixFigure):
    """A panel per quantity, the mean over runs of each method with their range.

    Args:
        matrix: The runs.
        palette: Appearances of the methods.
    """

    name = "training_curves"
    caption = (
        "Means over runs at the end of each epoch; bands span the runs from lowest to highest and are no intervals. "
        "Dotted: chance. A domain accuracy at chance shows that one head is fooled, not that magnification is gone."
    )
    absent = "not run: no run with a readable log"

    def _compute(self) -> pd.DataFrame:
        rows = []
        for group in self._matrix.groups:
            for (holdout, fold, seed), run in sorted(group.runs.items()):
                about = {"label": group.label, "holdout": holdout, "patient_fold": fold, "seed": seed}
                chance = 1 / (len(run.magnifications) - 1)
                rows += [about | found | {"chance": chance} for found in _logged(run.folder / "log.jsonl")]
        columns = ["label", "holdout", "patient_fold", "seed", "epoch", "quantity", "value", "chance"]
        return pd.DataFrame(rows, columns=columns)

    def _height(self, frame: pd.DataFrame) -> float:
        return 36.0 * marks.rows_of(frame["quantity"].nunique()) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        handles: dict[str, Line2D] = {}
        for ax, quantity, here in marks.panels_by(drawing, frame, "quantity", SERIES, sharex=True):
            for label, rows in here.groupby("label", sort=False):
                epochs = rows.groupby("epoch")["value"].agg(mean="mean", low="min", high="max").reset_index()
                handles[str(label)] = marks.draw_curve(ax, epochs, "epoch", "mean", self.palette()[str(label)])
            if quantity == "domain_accuracy":
                for chance in sorted(set(here["chance"])):
                    ax.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
                ax.set_ylim(0, 1)
            if quantity == "lambda":
                ax.set_ylim(bottom=0)
            ax.set_title(SERIES[quantity])
        runs = len(frame[["label", "holdout", "patient_fold", "seed"]].drop_duplicates())
        drawing.supxlabel(f"epoch (n = {runs} runs)")
        marks.legend_above(drawing, handles)


def _logged(path: Path) -> list[dict]:
    """Return what each epoch logged; lines that are no record are left out, a missing log has none."""
    rows = []
    path = verified(path)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("kind") == "epoch" and isinstance(record.get("epoch"), int):
            known: dict[str, Any] = {"classification_loss": record.get("loss")} | record
            rows += [
                {"epoch": record["epoch"] + 1, "quantity": name, "value": float(known[name])}
                for name in SERIES
                if isinstance(known.get(name), int | float) and math.isfinite(known[name])
            ]
    return rows
