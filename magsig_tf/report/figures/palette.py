"""One appearance a method: the same colour, marker and line in every figure of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from magsig_tf.statistics_rule import MARK, MOVING

BLACK, GREY, LIGHT = "#000000", "#777777", "#DDDDDD"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""The colours of Okabe and Ito (2008), which colour-blind readers can tell apart."""

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
_LONGEST = 24


@dataclass(frozen=True)
class Appearance:
    """How one row of the matrix is drawn.

    Args:
        colour: As #RRGGBB.
        marker: A matplotlib marker.
        line: A matplotlib line style; tells the configs of one method apart.
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
        strangers = sorted({method_of(label) for label in ordered} - set(KNOWN))
        self._looks: dict[str, Appearance] = {}
        seen: dict[str, int] = {}
        for label in ordered:
            method = method_of(label)
            place = seen[method] = seen.get(method, -1) + 1
            if method in KNOWN:
                colour, marker = KNOWN[method]
            else:
                stranger = strangers.index(method)
                colour, marker = _OTHERS[stranger % len(_OTHERS)], _MARKERS[stranger % len(_MARKERS)]
            marker = marker if not place else _MARKERS[(place - 1) % len(_MARKERS)]
            self._looks[label] = Appearance(colour, marker, _LINES[place % len(_LINES)])

    def __getitem__(self, label: str) -> Appearance:
        # a control, such as an untrained encoder, is no row of the matrix
        return self._looks[label] if label in self._looks else Palette([label])[label]

    def __contains__(self, label: str) -> bool:
        return label in self._looks


def method_of(label: str) -> str:
    """Return the method that a label names: its first word."""
    return (label.split() or [""])[0]


def shortened(label: str, longest: int = _LONGEST) -> str:
    """Return a label that fits a legend: a long one loses its middle, so that endings such as a hash stay."""
    if len(label) > longest:
        label = label.replace(MARK, MOVING)
    if len(label) <= longest:
        return label
    tail = longest // 3
    return f"{label[: longest - tail - 1]}…{label[-tail:]}"
