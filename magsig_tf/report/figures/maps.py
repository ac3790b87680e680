"""Cells and blocks: the splits of figure 1, the overlap of figure 6, and which cases are misclassified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from magsig_tf.evaluation.printed import number
from magsig_tf.report.figures import marks
from magsig_tf.report.figures.base import BLUE, LIGHT, ORANGE, SKY, SMALLEST, VERMILION, Figure, MatrixFigure, Palette
from magsig_tf.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.image import AxesImage

THRESHOLD = 0.5
CLASSES = ("benign", "malignant")
_NAMED = 40
"""Up to so many cases of a class are named below the strip."""


def _draw_shares(ax: Axes, table: pd.DataFrame) -> AxesImage:
    """Draw a table of shares as blue cells, its index beside them."""
    shown = ax.imshow(np.ma.masked_invalid(table.to_numpy()), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_yticks(range(len(table)), table.index)
    ax.tick_params(length=0)
    return shown


class CaseStrips(MatrixFigure):
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
        cases = frame.groupby("class")["case"].nunique().reindex(CLASSES, fill_value=0)
        return 2 * (5.0 * frame["label"].nunique() + 9 + 12 * (cases.min() <= _NAMED)) + 14

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels, strips = marks.in_order(frame["label"]), marks.panels_by(drawing, frame, "class", CLASSES, 1)
        for ax, name, rows in strips:
            # those with the highest mean error over methods first
            order = rows.groupby("case")["wrong"].mean().sort_values(ascending=False, kind="stable").index
            table = rows.pivot(index="label", columns="case", values="wrong").reindex(index=labels, columns=order)
            shown = _draw_shares(ax, table.rename(index=lambda label: marks.shortened(label, 20)))
            ax.set_facecolor(LIGHT)
            if len(order) <= _NAMED:
                ax.set_xticks(range(len(order)), [marks.shortened(case, 14) for case in order], rotation=90)
            else:
                ax.set_xticks([])
            ax.set_title(f"{name}: n = {len(order)} cases, {marks.said_range(rows['answers'])} predictions each")
        axes = [ax for ax, _, _ in strips]
        bar = drawing.colorbar(shown, ax=axes, location="bottom", shrink=0.6, aspect=30)
        bar.set_ticks([0, 0.5, 1], labels=["0", "50", "100"])
        bar.set_label("images misclassified (%)", fontsize=SMALLEST + 0.5)
        bar.outline.set_linewidth(0.4)


QUANTITIES = {"jaccard": "Jaccard", "expected": "chance", "adjusted": "adjusted"}
"""Columns of the pairs that are drawn, and their titles."""
_DARK = 0.55


class SignatureOverlap(Figure):
    """A row of heat maps per method: Jaccard of every pair of holdouts, what chance gives, and what is beyond it.

    Args:
        pairs: The frame of pairs (`signature_pairs.parquet`).
        palette: Not used; the colour of a cell is its value.
    """

    name = "signature_overlap"
    caption = (
        "Overlap of the signatures of every pair of holdouts, mean over patient folds and seeds. Read the right "
        "column: 0 is what two random sets of the same sizes share, 1 the same set. A dash is not defined (an empty "
        "signature)."
    )
    absent = "not run: no two holdouts with signatures to compare (magsig signatures --compare-folds)"

    def __init__(self, pairs: pd.DataFrame, palette: Palette | None = None):
        super().__init__(palette)
        self._pairs = pairs

    def _compute(self) -> pd.DataFrame:
        if not len(self._pairs):
            return pd.DataFrame(columns=["label", "first", "second", *QUANTITIES, "comparisons"])
        grouped = self._pairs.groupby(["label", "first", "second"], sort=False)
        return grouped[list(QUANTITIES)].mean().assign(comparisons=grouped.size()).reset_index()

    def _height(self, frame: pd.DataFrame) -> float:
        return 28.0 * frame["label"].nunique() + 10

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        labels = marks.in_order(frame["label"])
        axes = marks.panels(drawing, len(labels) * len(QUANTITIES), len(QUANTITIES))
        # the same places for every method, so that one with fewer holdouts is read beside the others
        names = _names(frame)
        for place, ax in enumerate(axes):
            row, column = divmod(place, len(QUANTITIES))
            quantity = list(QUANTITIES)[column]
            shown = _heat_map(ax, frame[frame["label"] == labels[row]], quantity, names)
            ax.set_title("" if row else QUANTITIES[quantity])
            if column:
                ax.set_yticklabels([])
            else:
                ax.set_ylabel(marks.shortened(labels[row], 18))
            if row < len(labels) - 1:
                ax.set_xticklabels([])
        bar = drawing.colorbar(shown, ax=axes, shrink=0.6, aspect=25, pad=0.02)
        bar.set_ticks([0, 0.5, 1], labels=["0", ".5", "1"])
        bar.outline.set_linewidth(0.4)
        drawing.supxlabel(
            f"held-out magnification (n = {marks.said_range(frame['comparisons'])} comparison(s) per cell)"
        )


def _names(frame: pd.DataFrame) -> list[str]:
    """Return the holdouts of all methods, in the order of the method that has most of them."""
    own = [dict.fromkeys([*rows["first"], *rows["second"]]) for _, rows in frame.groupby("label", sort=False)]
    return list(max(own, key=len) | dict.fromkeys(name for names in own for name in names))


def _heat_map(ax: Axes, frame: pd.DataFrame, quantity: str, names: list[str]) -> AxesImage:
    table = pd.DataFrame(np.nan, names[1:], names[:-1])
    cells = {}
    for row in frame.to_dict("records"):
        one, other = sorted((names.index(row["first"]), names.index(row["second"])))
        cells[other - 1, one] = row[quantity]
    for (y, x), value in cells.items():
        table.iloc[y, x] = value
    # two random sets may overlap less than on average: such a cell is as pale as 0 and says its number
    shown = _draw_shares(ax, table)
    ax.set_xticks(range(len(table.columns)), table.columns)
    for (y, x), value in sorted(cells.items()):
        colour, words = "white" if value > _DARK else "black", "-" if np.isnan(value) else number(value)
        ax.text(x, y, words, ha="center", va="center", fontsize=SMALLEST, color=colour)
    ax.set_facecolor(LIGHT if np.isnan(list(cells.values())).any() else "white")
    ax.spines[:].set_visible(False)
    return shown


BLOCKS = ("train", "validation", "test")
"""Blocks of cases, from the top."""
USES = {"train": BLUE, "validation": ORANGE, "in-domain test": SKY, "held-out test": VERMILION, "not used": LIGHT}
"""What images of a block and magnification are for, and the colour."""


class SplitDiagram(MatrixFigure):
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

    def _compute(self) -> pd.DataFrame:
        rows = []
        for holdout in self._matrix.holdouts:
            runs = [group.runs[key] for group in self._matrix.groups for key in sorted(group.runs) if key[0] == holdout]
            for run in [run for run in runs if {*BLOCKS} <= {*(run.record.cases_per_class or ())}][:1]:
                rows += _rows(run)
        columns = ["holdout", "patient_fold", "magnification", "block", "use", "cases_benign", "cases_malignant"]
        return pd.DataFrame(rows, columns=columns)

    def _height(self, frame: pd.DataFrame) -> float:
        return 52.0 * marks.rows_of(frame["holdout"].nunique(), 4) + 8

    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        from matplotlib.patches import Patch

        frame = frame.assign(cases=frame["cases_benign"] + frame["cases_malignant"])
        shown = marks.panels_by(drawing, frame, "holdout", columns=4, sharey=True)
        for ax, holdout, rows in shown:
            _split(ax, rows, holdout)
        first = shown[0][0]
        first.set_ylim(frame.groupby(["holdout", "magnification"])["cases"].sum().max(), 0)
        first.set_ylabel("cases")
        fold = int(frame["patient_fold"].iloc[0])
        drawing.supxlabel(f"magnification (patient fold {fold}; b benign, m malignant cases)")
        handles = [Patch(facecolor=colour, label=use) for use, colour in USES.items()]
        drawing.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=0.8, handlelength=1.0)


def _rows(run: Run) -> list[dict]:
    counts = run.record.cases_per_class or {}
    ordered = sorted({*run.magnifications[1:], run.holdout}, key=_leading_number)
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


def _split(ax: Axes, frame: pd.DataFrame, holdout: str) -> None:
    """Draw the blocks of each magnification on top of each other, and the cases of each block across the first."""
    magnifications = marks.in_order(frame["magnification"])
    frame = frame.assign(top=frame.groupby("magnification")["cases"].cumsum() - frame["cases"])
    box: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    for row in frame.to_dict("records"):
        place, use = magnifications.index(row["magnification"]), USES[row["use"]]
        ax.bar(place, row["cases"], bottom=row["top"], width=0.92, color=use, edgecolor="white", linewidth=0.5)
    for row in frame[frame["magnification"] == magnifications[0]].to_dict("records"):
        middle, words = (len(magnifications) - 1) / 2, f"{row['cases_benign']} b + {row['cases_malignant']} m"
        ax.text(middle, row["top"] + row["cases"] / 2, words, ha="center", va="center", fontsize=SMALLEST, bbox=box)
    ax.set_xticks(range(len(magnifications)), magnifications, rotation=90)
    for label, magnification in zip(ax.get_xticklabels(), magnifications, strict=True):
        label.set_fontweight("bold" if magnification == holdout else "normal")
    ax.set_title(f"{holdout} held out")
