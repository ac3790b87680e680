"""Training curves: loss, domain accuracy beside chance, and lambda, from the logs of runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.report.figures.base import GREY, SMALLEST, Figure, Palette, legend_above, panels
from magsig_tf.runs.matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

SERIES = {
    "classification_loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "domain_accuracy": "domain accuracy",
    "lambda": "lambda",
}
"""What is drawn, and its axis."""


class TrainingCurves(Figure):
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

    def __init__(self, matrix: Matrix, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix = matrix

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
        return 36.0 * -(-frame["quantity"].nunique() // 2) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        shown = [name for name in SERIES if name in set(frame["quantity"])]
        axes, palette = panels(drawing, -(-len(shown) // 2), min(2, len(shown)), sharex=True), self.palette()
        handles: dict[str, Line2D] = {}
        for ax, quantity in zip(axes, shown, strict=False):
            here = frame[frame["quantity"] == quantity]
            for label in dict.fromkeys(here["label"]):
                epochs = here[here["label"] == label].groupby("epoch")["value"]
                look, ends = palette[label], epochs.agg(["mean", "min", "max"])
                ax.fill_between(ends.index, ends["min"], ends["max"], color=look.colour, alpha=0.13, linewidth=0)
                handles[label] = ax.plot(ends.index, ends["mean"], look.line, color=look.colour)[0]
            if quantity == "domain_accuracy":
                for chance in sorted(set(here["chance"])):
                    ax.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
                ax.set_ylim(0, 1)
            if quantity == "lambda":
                ax.set_ylim(bottom=0)
            ax.set_title(SERIES[quantity])
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        runs = len(frame[["label", "holdout", "patient_fold", "seed"]].drop_duplicates())
        drawing.supxlabel(f"epoch (n = {runs} runs)", fontsize=SMALLEST + 0.5)
        legend_above(drawing, list(handles.values()), list(handles))


def _logged(path: Path) -> list[dict]:
    """Return what each epoch logged; lines that are no record are left out, a missing log has none."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        record = _record(line)
        epoch = record.get("epoch")
        if record.get("kind") == "epoch" and isinstance(epoch, int):
            known = {"classification_loss": record.get("loss")} | record
            rows += [
                {"epoch": epoch + 1, "quantity": name, "value": float(known[name])}
                for name in SERIES
                if isinstance(known.get(name), int | float) and math.isfinite(known[name])
            ]
    return rows


def _record(line: str) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
