"""Case strips: which cases every method misclassifies, and which only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magsig_tf.report.figures.base import LIGHT, SMALLEST, Figure, Palette, panels, shortened
from magsig_tf.runs.matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.image import AxesImage

THRESHOLD = 0.5
CLASSES = ("benign", "malignant")
_NAMED = 40
"""Up to so many cases of a class are named below the strip."""


class CaseStrips(Figure):
    """A strip per method and class, a column per case, as dark as the share of its images that are wrong.

    Args:
        matrix: The runs.
        palette: Not used; the colour of a cell is its value.
    """

    name = "case_strips"
    caption = (
        "Share of each case's images at held-out magnifications that are misclassified at a threshold of 0.5, over all "
        "holdouts, patient folds and seeds. Cases are in the same order in every strip, the worst on average "
        "first: a dark column is a case that every method misclassifies. A grey cell was not tested."
    )
    absent = "not run: no predictions at a held-out magnification"

    def __init__(self, matrix: Matrix, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix = matrix

    def _compute(self) -> pd.DataFrame:
        columns = ["label", "class", "case", "wrong", "answers"]
        frames = []
        for group in self._matrix.groups:
            tested = pd.concat([run.part("test") for run in group.runs.values()])
            missed = (tested["probability"] >= THRESHOLD) != (tested["label"] == 1)
            truth = tested["label"].map(dict(enumerate(CLASSES)))
            cells = missed.groupby([truth.rename("class"), tested["case"]]).agg(wrong="mean", answers="size")
            frames.append(cells.reset_index().assign(label=group.label))
        return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)

    def _height(self, frame: pd.DataFrame) -> float:
        named = any(len(_ordered(frame, name)) <= _NAMED for name in CLASSES)
        return 2 * (5.0 * frame["label"].nunique() + 9 + 12 * named) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels = list(dict.fromkeys(frame["label"]))
        present = [name for name in CLASSES if name in set(frame["class"])]
        axes = panels(drawing, len(present), 1)
        for ax, name in zip(axes, present, strict=True):
            shown = _strip(ax, frame[frame["class"] == name], labels, name)
        bar = drawing.colorbar(shown, ax=axes, location="bottom", shrink=0.6, aspect=30, ticks=[0, 0.5, 1])
        bar.ax.set_xticklabels(["0", "50", "100"])
        bar.set_label("images misclassified (%)", fontsize=SMALLEST + 0.5)
        bar.outline.set_linewidth(0.4)


def _ordered(frame: pd.DataFrame, name: str) -> list[str]:
    """Return the cases of a class, those with the highest mean error over methods first."""
    means = frame[frame["class"] == name].groupby("case")["wrong"].mean()
    return list(means.sort_values(ascending=False, kind="stable").index)


def _strip(ax: Axes, frame: pd.DataFrame, labels: list[str], name: str) -> AxesImage:
    cases = _ordered(frame, name)
    table = frame.pivot(index="label", columns="case", values="wrong").reindex(index=labels, columns=cases)
    shown = ax.imshow(np.ma.masked_invalid(table.to_numpy()), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_facecolor(LIGHT)
    ax.set_yticks(range(len(labels)), [shortened(label, 20) for label in labels])
    if len(cases) <= _NAMED:
        ax.set_xticks(range(len(cases)), [shortened(case, 14) for case in cases], rotation=90)
    else:
        ax.set_xticks([])
    answers = int(frame["answers"].min()), int(frame["answers"].max())
    many = str(answers[0]) if answers[0] == answers[1] else f"{answers[0]} to {answers[1]}"
    ax.set_title(f"{name}: n = {len(cases)} cases, {many} predictions each")
    ax.tick_params(length=0)
    return shown
