"""What figures draw in the same way: intervals, curves with bands, panels, axes of names, and the legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from magsig_tf.reasons import ONE_SIDED
from magsig_tf.report.figures.base import Appearance
from magsig_tf.statistics_rule import MARK, MOVING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D


DASHED = (0, (2.0, 1.2))
"""The line of a one-sided interval."""


def shortened(label: str, longest: int = 24) -> str:
    """Return a label that fits a legend: a long one loses its middle, so that endings such as a hash stay."""
    if len(label) > longest:
        label = label.replace(MARK, MOVING)
    if len(label) <= longest:
        return label
    tail = longest // 3
    return f"{label[: longest - tail - 1]}…{label[-tail:]}"


def side_by_side(frame: pd.DataFrame, holdouts: Sequence[str], by: str = "label") -> pd.Series:
    """Return where each row lies on an axis of holdouts: those of one holdout around its tick, at most 0.31 from it.

    Args:
        frame: With the column holdout.
        holdouts: In the order of the axis.
        by: Column whose values lie beside each other.
    """
    names = in_order(frame[by])
    reach = min(0.31, 0.1 * (len(names) - 1))
    shifts = dict(zip(names, np.linspace(-reach, reach, len(names)), strict=True))
    return frame["holdout"].map(list(holdouts).index) + frame[by].map(shifts)


def draw_interval(ax: Axes, row: dict, look: Appearance, *, across: bool = False) -> Line2D:
    """Draw a marker at a value and a bar from low to high, dashed if one-sided; no bar where there is no interval.

    Args:
        ax: Where to.
        row: With the keys place (on the axis of categories), value, low, high and perhaps interval, its kind; NaN
            draws no bar.
        look: Colour and marker.
        across: Whether values run along x, as in a forest plot.

    Returns:
        The marker, for a legend.
    """
    place, ends = row["place"], [row["low"], row["high"]]
    if np.isfinite(ends).all():
        line = DASHED if row.get("interval") == ONE_SIDED else "-"
        bar = (ends, [place] * 2) if across else ([place] * 2, ends)
        ax.plot(*bar, linestyle=line, color=look.colour, linewidth=1.0)
    x, y = (row["value"], place) if across else (place, row["value"])
    return ax.plot([x], [y], look.marker, color=look.colour, linestyle="none", markersize=3.2)[0]


def draw_curve(
    ax: Axes, curve: pd.DataFrame, x: str, y: str, look: Appearance, *, shade: float = 0.13, **line: Any
) -> Line2D:
    """Draw a curve over its band.

    Args:
        ax: Where to.
        curve: With the columns low and high, in the order of x.
        x: Column of the places.
        y: Column of the values.
        look: Colour and line.
        shade: Opacity of the band.
        line: More settings of the line.

    Returns:
        The line, for a legend.
    """
    ax.fill_between(curve[x], curve["low"], curve["high"], color=look.colour, alpha=shade, linewidth=0)
    return ax.plot(curve[x], curve[y], **{"linestyle": look.line, "color": look.colour} | line)[0]


def in_order(values: pd.Series, order: Iterable[str] | None = None) -> list[str]:
    """Return the distinct values of a column in a given order; in their own where none is given."""
    known = set(values)
    return [name for name in dict.fromkeys(values if order is None else order) if name in known]


def panels(drawing: Drawing, count: int, columns: int = 2, **settings: Any) -> list[Axes]:
    """Return the axes of some panels, row by row; what is left of the last row stays empty."""
    columns = min(columns, count)
    axes = list(drawing.subplots(rows_of(count, columns), columns, squeeze=False, **settings).ravel())
    for ax in axes[count:]:
        ax.set_axis_off()
    return axes[:count]


def panels_by(
    drawing: Drawing,
    frame: pd.DataFrame,
    by: str,
    order: Iterable[str] | None = None,
    columns: int = 2,
    **settings: Any,
) -> list[tuple[Axes, str, pd.DataFrame]]:
    """Return a panel for each value of a column: its axes, the value, and the rows that have it."""
    names = in_order(frame[by], order)
    axes = panels(drawing, len(names), columns, **settings)
    return [(ax, name, frame[frame[by] == name]) for ax, name in zip(axes, names, strict=True)]


def rows_of(count: int, columns: int = 2) -> int:
    """Return the rows that some panels take."""
    return -(-count // columns)


def categories(ax: Axes, names: Sequence[str], *, down: bool = False, edges: bool = False) -> None:
    """Give an axis a tick for each name.

    Args:
        ax: Whose axis.
        names: From the left, or from the top.
        down: Whether they run along y.
        edges: Whether pale lines stand between them.
    """
    axis, end = ("y", len(names) - 0.5) if down else ("x", len(names) - 0.5)
    limits = (end, -0.5) if down else (-0.5, end)
    ax.set(**{f"{axis}ticks": range(len(names)), f"{axis}ticklabels": names, f"{axis}lim": limits})
    for edge in range(1, len(names)) if edges else ():
        (ax.axhline if down else ax.axvline)(edge - 0.5, color="#EEEEEE", linewidth=0.6, zorder=0)


def unit_axis(ax: Axes, *axes: str) -> None:
    """Let some axes ("x", "y") run from 0 to 1 with three ticks."""
    for axis in axes:
        limits = {f"{axis}lim": (0, 1), f"{axis}ticks": [0, 0.5, 1], f"{axis}ticklabels": ["0", ".5", "1"]}
        ax.set(**limits)


def legend_above(drawing: Drawing, handles: Mapping[str, Line2D]) -> None:
    """Put one legend for all panels above them, label -> handle; long labels are shortened."""
    words = [shortened(label) for label in handles]
    # what fits beside each other at `WIDTH`: about 70 letters, of which a handle takes 6
    fitting = 70 // (max(map(len, words), default=0) + 6)
    columns = max(1, min(4, len(words), fitting))
    drawing.legend(
        list(handles.values()), words, loc="outside upper center", ncols=columns, handlelength=2.0, columnspacing=1.2
    )


def said_counts(frame: pd.DataFrame) -> str:
    """Return the cases and images behind numbers in words, as ranges where they differ between rows.

    Args:
        frame: With the columns cases_benign, cases_malignant and images.
    """
    benign, malignant, images = (said_range(frame[name]) for name in ("cases_benign", "cases_malignant", "images"))
    return f"n = {benign} benign + {malignant} malignant cases, {images} images"


def said_range(values: pd.Series) -> str:
    """Return the lowest and highest of some counts in words, one number where they are equal."""
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"
