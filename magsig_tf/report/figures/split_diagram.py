"""Figure 1: which cases at which magnifications train, choose and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.report.figures.base import BLUE, LIGHT, ORANGE, SKY, SMALLEST, VERMILION, Figure, Palette, panels
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

BLOCKS = ("train", "validation", "test")
"""Blocks of cases, from the top."""
USES = {"train": BLUE, "validation": ORANGE, "in-domain test": SKY, "held-out test": VERMILION, "not used": LIGHT}
"""What images of a block and magnification are for, and the colour."""


class SplitDiagram(Figure):
    """Cases by magnification for every holdout, coloured by what they are used for.

    Args:
        matrix: The runs; the first one of each holdout stands for its split, patient folds are alike in size.
        palette: Not used by this figure's colours, which are those of parts and not of methods.
    """

    name = "split_diagram"
    caption = (
        "Which images are used for what, for each held-out magnification. Rows are cases, columns magnifications. "
        "A case is in one block at all magnifications, and the held-out magnification (bold) is used for the test only."
    )
    absent = "not run: no run says how many cases its parts have"

    def __init__(self, matrix: Matrix, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix = matrix

    def _compute(self) -> pd.DataFrame:
        rows = []
        for holdout in self._matrix.holdouts:
            runs = [group.runs[key] for group in self._matrix.groups for key in sorted(group.runs) if key[0] == holdout]
            for run in [run for run in runs if _counted(run)][:1]:
                rows += _rows(run)
        return pd.DataFrame(
            rows,
            columns=["holdout", "patient_fold", "magnification", "block", "use", "cases_benign", "cases_malignant"],
        )

    def _height(self, frame: pd.DataFrame) -> float:
        return 52.0 * -(-frame["holdout"].nunique() // 4) + 8

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        from matplotlib.patches import Patch

        holdouts = list(dict.fromkeys(frame["holdout"]))
        columns = min(4, len(holdouts))
        axes = panels(drawing, -(-len(holdouts) // columns), columns, sharey=True)
        for ax, holdout in zip(axes, holdouts, strict=False):
            _panel(ax, frame[frame["holdout"] == holdout], holdout)
        for ax in axes[len(holdouts) :]:
            ax.set_axis_off()
        cases = frame["cases_benign"] + frame["cases_malignant"]
        axes[0].set_ylim(cases.groupby([frame["holdout"], frame["magnification"]]).sum().max(), 0)
        axes[0].set_ylabel("cases")
        fold = int(frame["patient_fold"].iloc[0])
        drawing.supxlabel(f"magnification (patient fold {fold}; b benign, m malignant cases)", fontsize=SMALLEST + 0.5)
        handles = [Patch(facecolor=colour, label=use) for use, colour in USES.items()]
        drawing.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=0.8, handlelength=1.0)


def _counted(run: Run) -> bool:
    counts = run.record.cases_per_class
    return counts is not None and all(block in counts for block in BLOCKS)


def _rows(run: Run) -> list[dict]:
    counts = run.record.cases_per_class or {}
    order = [name for name in run.magnifications[1:] if name != run.holdout]
    ordered = sorted([*order, run.holdout], key=_leading_number)
    return [
        {
            "holdout": run.holdout,
            "patient_fold": run.patient_fold,
            "magnification": magnification,
            "block": block,
            "use": _use(block, magnification == run.holdout),
            "cases_benign": int(counts[block].get("benign", 0)),
            "cases_malignant": int(counts[block].get("malignant", 0)),
        }
        for magnification in ordered
        for block in BLOCKS
    ]


def _leading_number(name: str) -> tuple[float, str]:
    digits = name.rstrip("Xx")
    return (float(digits) if digits.isascii() and digits.isdigit() else float("inf"), name)


def _use(block: str, held_out: bool) -> str:
    if block == "test":
        return "held-out test" if held_out else "in-domain test"
    return "not used" if held_out else block


def _panel(ax: Axes, frame: pd.DataFrame, holdout: str) -> None:
    magnifications = list(dict.fromkeys(frame["magnification"]))
    for place, magnification in enumerate(magnifications):
        top = 0
        for row in frame[frame["magnification"] == magnification].itertuples():
            cases = row.cases_benign + row.cases_malignant
            ax.bar(place, cases, bottom=top, width=0.92, color=USES[row.use], edgecolor="white", linewidth=0.5)
            top += cases
    left = frame[frame["magnification"] == magnifications[0]]
    middle, top = (len(magnifications) - 1) / 2, 0
    for row in left.itertuples():
        cases = row.cases_benign + row.cases_malignant
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        words = f"{row.cases_benign} b + {row.cases_malignant} m"
        ax.text(middle, top + cases / 2, words, ha="center", va="center", fontsize=SMALLEST, bbox=box)
        top += cases
    ax.set_xticks(range(len(magnifications)), magnifications, rotation=90)
    for label, magnification in zip(ax.get_xticklabels(), magnifications, strict=True):
        label.set_fontweight("bold" if magnification == holdout else "normal")
    ax.set_title(f"{holdout} held out")
