"""Figure 7: size of the signature at each holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.report.figures.base import Figure, Palette, dodge, legend_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

_RATIO_OF_LOG = 20
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""


class SignatureSize(Figure):
    """A point per run, a line at the mean, for each method and holdout.

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
        if not len(self._signatures):
            return pd.DataFrame(columns=columns)
        kept = self._signatures[self._signatures["k"].notna()]
        return kept[columns].astype({"k": int}).reset_index(drop=True)

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        ax, palette = drawing.subplots(), self.palette()
        holdouts = list(dict.fromkeys(self._signatures["holdout"]))
        labels: list[str] = list(dict.fromkeys(frame["label"]))
        handles: dict[str, Line2D] = {}
        shifts = dodge(len(labels))
        width = min(0.1, 0.25 / len(labels))
        for key, runs in frame.groupby(["label", "holdout"], sort=False):
            label, holdout = map(str, key)
            x, look = holdouts.index(holdout) + shifts[labels.index(label)], palette[label]
            ax.hlines(runs["k"].mean(), x - width, x + width, color=look.colour, linewidth=1.2)
            handles[label] = ax.plot([x] * len(runs), runs["k"], look.marker, color=look.colour, clip_on=False)[0]
        if frame["k"].min() > 0 and frame["k"].max() / frame["k"].min() > _RATIO_OF_LOG:
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, frame["k"].max() * 1.1 + 1)
        ax.set_xlim(-0.5, len(holdouts) - 0.5)
        ax.set_xticks(range(len(holdouts)), holdouts)
        ax.set_xlabel(f"held-out magnification (n = {len(frame)} runs)")
        dimensions = sorted(set(frame["p"]))
        ax.set_ylabel(f"size k of the signature (of p = {' or '.join(map(str, dimensions))})")
        legend_above(drawing, list(handles.values()), list(handles))
