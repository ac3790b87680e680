"""A value with its interval, drawn the same way in every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.report.figures.palette import Appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def dodge(count: int) -> list[float]:
    """Return shifts around a tick that keep `count` marks apart.

    Args:
        count: Number of marks, at least 1.

    Returns:
        Shifts in ticks, at most 0.31 to either side.
    """
    reach = min(0.31, 0.1 * (count - 1))
    return [float(shift) for shift in np.linspace(-reach, reach, count)] if count > 1 else [0.0]


def draw_interval(
    ax: Axes, place: float, value: float, low: float, high: float, look: Appearance, *, across: bool = False
) -> Line2D:
    """Draw a marker at a value and a bar from low to high; no bar where there is no interval.

    Args:
        ax: Where to.
        place: Position on the axis of categories.
        value: The value.
        low: Lower end; NaN draws none.
        high: Upper end.
        look: Colour and marker.
        across: Whether values run along x, as in a forest plot.

    Returns:
        The marker, for a legend.
    """
    if np.isfinite([low, high]).all():
        ends, places = [low, high], [place, place]
        ax.plot(*((ends, places) if across else (places, ends)), "-", color=look.colour, linewidth=1.0)
    x, y = (value, place) if across else (place, value)
    return ax.plot([x], [y], look.marker, color=look.colour, linestyle="none", markersize=3.2)[0]
