"""Cells of the page's tables: numbers as tables of statistics print them, with a drawing on a common scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from magsig_tf.evaluation.printed import number, p_value
from magsig_tf.report.page.blocks import Bar, Cell


@dataclass(frozen=True)
class Scale:
    """The common scale of a column's drawings.

    Args:
        start: Value at its left end.
        end: Value at its right end.
        mark: Value of the reference line; NaN draws none.
    """

    start: float
    end: float
    mark: float = float("nan")

    @classmethod
    def around_zero(cls, values: Iterable[float]) -> Scale:
        """Return a scale with 0 in its middle that holds all values."""
        known = [abs(value) for value in values if math.isfinite(value)]
        reach = max(known, default=0.0) or 1.0
        return cls(-reach, reach, 0.0)

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """Return a scale from the lowest to the highest value, so that intervals can be told apart."""
        known = [value for value in values if math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        return cls(low, high) if high > low else cls(low - 0.5, low + 0.5)

    def bar(self, value: float, low: float, high: float) -> Bar:
        """Return a value with its interval in percent of the scale."""
        return Bar(*(self._percent(each) for each in (value, low, high, self.mark)))

    def _percent(self, value: float) -> float:
        share = (value - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 2) if math.isfinite(share) else float("nan")


def number_cell(
    value: float,
    low: float = math.nan,
    high: float = math.nan,
    *,
    absent: str = "not defined",
    signed: bool = False,
    scale: Scale | None = None,
    strong: bool = False,
) -> Cell:
    """Return a number with its interval below it; words where there is none.

    Args:
        value: The number.
        low: Lower end of its interval; NaN without one.
        high: Upper end.
        absent: What is said where the number is NaN.
        signed: Whether it is a difference.
        scale: Draws it.
        strong: Whether it is set in bold.
    """
    if not np.isfinite(value):
        return Cell(absent)
    detail = f"{number(low, signed)} to {number(high, signed)}" if np.isfinite([low, high]).all() else ""
    bar = scale.bar(value, low, high) if scale else None
    return Cell(number(value, signed), float(value), detail, bar, strong)


def p_cell(value: float, clear: float = 0.05) -> Cell:
    """Return a p-value, bold where it is below `clear`; empty where there is none."""
    if not np.isfinite(value):
        return Cell("")
    return Cell(p_value(value), float(value), strong=value < clear)


def count_cell(count: float) -> Cell:
    """Return a whole number; empty for NaN."""
    return Cell(f"{int(count):,}", float(count)) if np.isfinite(count) else Cell("")


def method_cell(label: str) -> Cell:
    """Return a method beside its colour."""
    return Cell(label, method=label)


def place_cell(name: str, order: Sequence[str]) -> Cell:
    """Return a name that is sorted by its place in an order, as magnifications are."""
    return Cell(name, float(order.index(name)) if name in order else float(len(order)))
