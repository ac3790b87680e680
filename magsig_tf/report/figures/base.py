"""What every figure is: a tidy frame that is computed once, and a drawing of it."""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.runs.matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


BLACK, GREY, LIGHT = "#000000", "#777777", "#DDDDDD"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""The colours of Okabe and Ito (2008), which colour-blind readers can distinguish."""

KNOWN = {
    "baseline": (BLUE, "o"),
    "grl": (VERMILION, "s"),
    "gan": (GREEN, "^"),
    "baseline-resampled": (SKY, "D"),
    "random": (GREY, "d"),
}
"""Colour and marker of the methods that magsig ships."""

_OTHERS = (ORANGE, PURPLE, BLACK, YELLOW)
_MARKERS = ("v", "P", "X", "<", ">", "*")
_LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Appearance:
    """How one row of the matrix is drawn.

    Args:
        colour: As #RRGGBB.
        marker: A matplotlib marker.
        line: A matplotlib line style; distinguishes the configs of one method.
    """

    colour: str
    marker: str
    line: str


class Palette:
    """Appearances of all labels of a study.

    A method that magsig ships has a fixed colour. Others take the remaining ones in alphabetical order. Labels that
    begin with the same method share its colour and differ in line and marker.

    Args:
        labels: Labels of all groups; the first word of each is its method.
    """

    def __init__(self, labels: Iterable[str]):
        ordered = sorted(set(labels))
        methods = [method_of(label) for label in ordered]
        looks = dict(KNOWN)
        for place, method in enumerate(sorted(set(methods) - set(KNOWN))):
            looks[method] = _OTHERS[place % len(_OTHERS)], _MARKERS[place % len(_MARKERS)]
        self._looks: dict[str, Appearance] = {}
        for at, (label, method) in enumerate(zip(ordered, methods, strict=True)):
            (colour, marker), place = looks[method], methods[:at].count(method)
            marker = marker if not place else _MARKERS[(place - 1) % len(_MARKERS)]
            self._looks[label] = Appearance(colour, marker, _LINES[place % len(_LINES)])

    def __getitem__(self, label: str) -> Appearance:
        # a control, such as an untrained encoder, is no row of the matrix
        return self._looks[label] if label in self._looks else Palette([label])[label]


def method_of(label: str) -> str:
    """Return the method that a label names: its first word."""
    return (label.split() or [""])[0]


WIDTH = 90.0
"""Width of a figure in mm: one column of a journal."""
SMALLEST, NORMAL = 6.0, 7.0
"""Sizes of text in points at that width."""
MM_PER_INCH = 25.4
PNG_DPI = 300
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), NORMAL),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), SMALLEST),
    "figure.labelsize": SMALLEST + 0.5,
    **dict.fromkeys(("legend.frameon", "axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.5),
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "figure.facecolor": "white",
    # names come from files: a dollar sign in one is no formula
    "text.parse_math": False,
    # paths look the same on every machine; a fixed salt makes the file the same on every run
    "svg.fonttype": "path",
    "svg.hashsalt": "magsig",
}


class Figure(ABC):
    """One figure of the report.

    Args:
        palette: Appearances of all methods of the study; None takes those of this figure's own labels.
    """

    name: ClassVar[str]
    """Name of its files, without the ending."""
    caption: ClassVar[str]
    """What is to be read from it, as a sentence or two."""
    absent: ClassVar[str]
    """What the figure says where it has nothing to draw."""
    width: ClassVar[float] = WIDTH
    """In mm."""
    height: ClassVar[float] = 65.0
    """In mm."""
    layout: ClassVar[Literal["constrained", "none"]] = "constrained"
    """How matplotlib arranges the panels."""

    def __init__(self, palette: Palette | None = None):
        self._given = palette

    @abstractmethod
    def _compute(self) -> pd.DataFrame:
        """Return the tidy frame; an empty one where there is nothing to draw."""

    @abstractmethod
    def _draw(self, drawing: Drawing, frame: pd.DataFrame) -> None:
        """Draw the frame, which has rows."""

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return self._compute()

    def frame(self) -> pd.DataFrame:
        """Return a copy of the numbers that are drawn, one row each."""
        return self._frame.copy()

    @property
    def wide(self) -> bool:
        """Whether it takes two columns of the page."""
        return self.width > WIDTH

    def palette(self) -> Palette:
        """Return the appearances of the methods."""
        return self._given or Palette(self._frame.get("label", []))

    def plot(self) -> Drawing:
        """Draw the frame.

        Returns:
            A matplotlib figure of `width` mm; where there is nothing to draw it says so in words.
        """
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Drawing

        frame = self._frame
        with rc_context(STYLE):
            height = self._height(frame) if len(frame) else 25.0
            size = (self.width / MM_PER_INCH, height / MM_PER_INCH)
            drawing = Drawing(figsize=size, layout=self.layout)  # type: ignore[arg-type]  # the stub lacks "none"
            if len(frame):
                self._draw(drawing, frame)
            else:
                words = "\n".join(textwrap.wrap(self.absent, 60))
                drawing.text(0.5, 0.5, words, ha="center", va="center", color="#444444")
        return drawing

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the figure as SVG and PNG.

        Args:
            folder: Receives `<name>.svg` and `<name>.png`.

        Raises:
            MagsigError: the folder cannot be written.
        """
        from matplotlib import rc_context

        drawing, paths = self.plot(), (folder / f"{self.name}.svg", folder / f"{self.name}.png")
        with rc_context(STYLE):
            for path in paths:
                # a date would make every repeat another file
                known = {"Date": None} if path.suffix == ".svg" else None
                with replacing(path) as temporary:
                    drawing.savefig(temporary, dpi=PNG_DPI, metadata=known)
                # arranged once: both files are the same drawing, and the second takes half the time
                drawing.set_layout_engine("none")
        return paths

    def _height(self, frame: pd.DataFrame) -> float:
        """Return the height in mm; figures with a row for each of something override it."""
        return self.height


class MatrixFigure(Figure):
    """A figure of the runs themselves.

    Args:
        matrix: The runs.
        palette: Appearances of all methods of the study; None takes those of this figure's own labels.
    """

    def __init__(self, matrix: Matrix, palette: Palette | None = None):
        super().__init__(palette)
        self._matrix = matrix
