"""Cells of the page's tables: numbers as tables of statistics print them, with a drawing on a common scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from magsig_tf.evaluation.printed import number, p_value

if TYPE_CHECKING:
    from magsig_tf.report.figures import Figure


@dataclass(frozen=True)
class Bar:
    """A value with its interval, drawn in a cell on a scale that all cells of the column share.

    Args:
        value: Position of the value in percent of the scale.
        low: Position of the lower end; NaN without interval.
        high: Position of the upper end.
        mark: Position of a reference such as 0 or chance; NaN without one.
    """

    value: float
    low: float
    high: float
    mark: float = float("nan")


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: What is shown.
        sort: What the column is sorted by; None sorts by the text.
        detail: A second line, such as an interval.
        bar: A drawing beside the text.
        strong: Whether it is set in bold.
        method: Label whose colour is shown before the text; empty for none.
    """

    text: str
    sort: float | None = None
    detail: str = ""
    bar: Bar | None = None
    strong: bool = False
    method: str = ""


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        cells: One a column.
        methods: Labels that it is about; it is hidden with any of them.
        holdouts: Holdouts that it is about; it is hidden with any of them.
        values: What its table is filtered by: title of a filter -> value.
    """

    cells: list[Cell]
    methods: tuple[str, ...] = ()
    holdouts: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """A choice above a table.

    Args:
        title: Its name.
        options: Value -> word shown.
        chosen: The value that is chosen at first; empty shows all.
    """

    title: str
    options: dict[str, str]
    chosen: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table of the page, which is also written as CSV and LaTeX.

    Args:
        name: Name of its files, without the ending.
        title: Above it.
        columns: Title of each column -> whether it holds numbers.
        rows: Its rows.
        frame: All numbers, for the CSV.
        filters: Choices above it.
        notes: Sentences below it.
        short: Rows of the LaTeX file; None takes all.
    """

    name: str
    title: str
    columns: dict[str, bool]
    rows: list[Row]
    frame: pd.DataFrame = field(repr=False)
    filters: list[Filter] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    short: list[Row] | None = None


@dataclass(frozen=True)
class Picture:
    """An image with what is known of it.

    Args:
        source: As a data address; empty where the pixels are not there.
        alternative: What it shows, for those who do not see it.
        title: The first line below it.
        lines: Lines below the title.
        method: Label that it is about.
        holdout: Holdout that it is about.
    """

    source: str = field(repr=False)
    alternative: str
    title: str
    lines: list[str]
    method: str
    holdout: str


@dataclass(frozen=True)
class Section:
    """One question.

    Args:
        id: Its anchor.
        question: Its heading.
        answer: What the numbers say, as a plain sentence or a few.
        figures: Its figures.
        tables: Its tables.
        pictures: Images.
        notes: Sentences below everything.
    """

    id: str
    question: str
    answer: list[str]
    figures: list[Figure] = field(default_factory=list)
    tables: list[PageTable] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
