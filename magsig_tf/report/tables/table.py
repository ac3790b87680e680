"""The description of a table: what its columns mean, its cells with their intervals, and what it can be filtered by."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from magsig_tf.evaluation.printed import number, p_value
from magsig_tf.reasons import ONE_SIDED

CLEAR = 0.05
"""Corrected p-values below this are bold."""
signed_number = partial(number, signed=True)


@dataclass(frozen=True)
class Scale:
    """The common scale on which the page draws the numbers of a column.

    Args:
        start: Value at its left end.
        end: Value at its right end.
        mark: Value of the reference line; NaN draws none.
    """

    start: float
    end: float
    mark: float = math.nan

    @classmethod
    def around_zero(cls, frame: pd.DataFrame) -> Scale:
        """Return a scale with 0 in its middle that holds every value, low and high of some rows."""
        reach = max(map(abs, _known(frame)), default=0.0) or 1.0
        return cls(-reach, reach, 0.0)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Scale:
        """Return a scale from the lowest to the highest end of some rows, so that intervals can be distinguished."""
        known = _known(frame)
        low, high = min(known, default=0.0), max(known, default=1.0)
        return cls(low, high) if high > low else cls(low - 0.5, low + 0.5)

    def percent(self, value: float) -> float:
        """Return a value's position in percent of the scale; NaN for NaN."""
        share = (value - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 2) if math.isfinite(share) else math.nan


def _known(frame: pd.DataFrame) -> list[float]:
    numbers = frame[["value", "low", "high"]].to_numpy(float).ravel()
    return numbers[np.isfinite(numbers)].tolist()


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: What is shown; a terminal keeps its line breaks.
        value: What the column is sorted by; None sorts by the text.
        ends: Both ends of the interval as printed; empty without one.
        between: What stands between the ends where there is little room.
        sides: What stands after the interval: that it is one-sided, or another value.
        below: A second line where there is no interval, such as a floor.
        strong: Whether it is set in bold.
        faint: Whether it says why there is no number.
        method: Label whose colour the page shows before the text.
        bar: Positions of value, low, high and reference in percent of the column's scale; empty draws none.
        shade: Share of a colour behind it, in [0, 1]; NaN for none.
    """

    text: str = ""
    value: float | None = None
    ends: tuple[str, ...] = ()
    between: str = "-"
    sides: str = ""
    below: str = ""
    strong: bool = False
    faint: bool = False
    method: str = ""
    bar: tuple[float, ...] = ()
    shade: float = math.nan

    @classmethod
    def number(
        cls,
        value: float,
        low: float = math.nan,
        high: float = math.nan,
        *,
        absent: str = "not defined",
        write: Callable[[float], str] = number,
        scale: Scale | None = None,
        strong: bool = False,
        below: str = "",
        kind: str = "",
    ) -> Cell:
        """Return a number with its interval; words where there is none.

        Args:
            value: The number.
            low: Lower end of its interval; NaN without one.
            high: Upper end.
            absent: What is said where the number is NaN.
            write: How it is written; `signed_number` for a difference.
            scale: Draws it on the page.
            strong: Whether it is set in bold.
            below: What stands below it where it has no interval.
            kind: Of interval; a one-sided one is called so.
        """
        if pd.isna(value):
            return cls(absent, faint=True)
        ends = (write(low), write(high)) if math.isfinite(low) and math.isfinite(high) else ()
        bar = (*map(scale.percent, (value, low, high)), scale.percent(scale.mark)) if scale else ()
        between, sides = "-" if write is number else " ", "one-sided" if ends and kind == ONE_SIDED else ""
        return cls(write(value), float(value), ends, between, sides, below, strong, bar=bar)

    def second(self, between: str, comma: str = ", ") -> str:
        """Return what stands below the text: the interval and what is said of it, or something in its place.

        Args:
            between: What stands between both ends.
            comma: What stands before what is said of the interval.
        """
        return between.join(self.ends) + (f"{comma}{self.sides}" if self.sides else "") if self.ends else self.below

    @classmethod
    def p_value(cls, value: float, absent: str = "", decides: bool = False) -> Cell:
        """Return a p-value; words where there is none.

        Args:
            value: The p-value.
            absent: What is said where it is NaN.
            decides: Whether one below `CLEAR` is bold.
        """
        if pd.isna(value):
            return cls(absent, faint=True)
        return cls(p_value(value), float(value), strong=decides and value < CLEAR)

    @classmethod
    def count(cls, count: float, write: str = "{:,.0f}") -> Cell:
        """Return a count; empty where there is none."""
        return cls() if pd.isna(count) else cls(write.format(count), float(count))

    @classmethod
    def of_method(cls, label: str) -> Cell:
        """Return a method, beside its colour on the page."""
        return cls(label, method=label)

    @classmethod
    def place(cls, name: str, order: Sequence[str]) -> Cell:
        """Return a name that is sorted by its place in an order, as magnifications are."""
        return cls(name, float(order.index(name)) if name in order else float(len(order)))


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        title: Its heading; a terminal keeps its line breaks.
        legend: What it means, so that nobody needs the documentation; empty where the heading says it.
        numeric: Whether it holds numbers.
        key: Whether it says which row this is, so that every part of a table that is too wide has it.
        once: Whether a terminal leaves it out where the row above says the same.
        width: Letters of a line in a terminal, where longer words are broken; 0 never breaks.
        of: Makes its cell from a row of the frame, where the table does not make its cells otherwise.
    """

    title: str
    legend: str = ""
    numeric: bool = True
    key: bool = False
    once: bool = False
    width: int = 0
    of: Callable[[dict], Cell] = lambda row: Cell()

    @property
    def name(self) -> str:
        """The heading in one line."""
        return " ".join(self.title.replace("-\n", "").split())


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        cells: One per column.
        methods: Labels that it is about; the page hides it with any of them.
        holdouts: Holdouts that it is about; the page hides it with any of them.
        values: What its table is filtered by: title of a filter -> value.
    """

    cells: list[Cell]
    methods: tuple[str, ...] = ()
    holdouts: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """A choice above a table of the page.

    Args:
        title: Its name.
        options: Value -> word shown.
        chosen: The value that is chosen at first; empty shows all.
    """

    title: str
    options: dict[str, str]
    chosen: str = ""


@dataclass(frozen=True)
class Pick:
    """A column of a wide table, taken from the rows of a long one.

    Args:
        column: Its description.
        source: Name of the column of the long table.
        where: What the rows' `values` must be.
        plain: Whether intervals are left out.
    """

    column: Column
    source: str
    where: dict[str, str] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True)
class Table:
    """A result as a table.

    Args:
        name: Name of its files, without the ending.
        title: Above it.
        columns: Its columns.
        rows: Its rows.
        frame: All numbers, for the CSV.
        about: Sentences that explain all its cells, above it with the legends of its columns.
        filters: Choices above it.
        notes: Sentences below it.
        short: What rows of the LaTeX file have in `values`; empty takes all.
        ruled: Whether a line stands between rows whose first cells differ.
    """

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    frame: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)
    about: str = ""
    filters: list[Filter] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    short: Mapping[str, Collection[str]] = field(default_factory=dict)
    ruled: bool = False

    def filled(
        self,
        records: Iterable[dict],
        order: Sequence[str] = (),
        methods: Sequence[str] = ("label",),
        holdouts: Sequence[str] = ("holdout",),
        values: Sequence[str] = (),
    ) -> Table:
        """Return the table with a row for each record, whose cells its columns make.

        Args:
            records: Rows of a frame, as dictionaries.
            order: Holdouts, by which rows are sorted, known to each record as "order"; empty sorts nothing.
            methods: Keys of a record that hold labels, as far as it has them.
            holdouts: Keys of a record that hold holdouts, as far as it has them.
            values: Keys of a record that the table is filtered by.
        """
        if order:
            placed = [record | {"order": order} for record in records]
            records = sorted(placed, key=lambda record: Cell.place(record["holdout"], order).value or 0.0)
        rows = [
            Row(
                [column.of(record) for column in self.columns],
                tuple(record[key] for key in methods if record.get(key)),
                tuple(record[key] for key in holdouts if record.get(key)),
                {key: record[key] for key in values},
            )
            for record in records
        ]
        return replace(self, rows=rows)

    @property
    def legend(self) -> str:
        """What the columns mean, and what holds for all cells."""
        said = [f"{column.name}: {column.legend}." for column in self.columns if column.legend]
        return " ".join([*said, *([self.about] if self.about else [])])

    def where(self, **values: Collection[str]) -> Table:
        """Return the rows whose `values` are among those given."""
        kept = [row for row in self.rows if all(row.values.get(name) in some for name, some in values.items())]
        return replace(self, rows=kept)

    def printed(self) -> Table:
        """Return the rows of the LaTeX file."""
        return self.where(**self.short)

    def select(self, *names: str) -> Table:
        """Return some columns, by name and in this order."""
        return self.take([self._place(name) for name in names])

    def take(self, places: Sequence[int]) -> Table:
        """Return some columns, by their places and in this order; names need not be unique."""
        rows = [replace(row, cells=[row.cells[place] for place in places]) for row in self.rows]
        return replace(self, columns=[self.columns[place] for place in places], rows=rows)

    def without(self, *names: str) -> Table:
        """Return all columns but some."""
        return self.select(*[column.name for column in self.columns if column.name not in names])

    def without_constant(self, *names: str) -> Table:
        """Return the table without those of some columns in which all rows say the same."""
        texts = {name: {row.cells[self._place(name)].text for row in self.rows} for name in names}
        return self.without(*[name for name, found in texts.items() if len(found) < 2])

    def wide(self, keys: Sequence[str], picks: Sequence[Pick]) -> Table:
        """Return one row for each combination of some columns, with what is picked from the rows that have it.

        Args:
            keys: Names of the columns that say which row it is.
            picks: The other columns.
        """
        places, sources = [self._place(key) for key in keys], [self._place(pick.source) for pick in picks]
        found: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            begun = [row.cells[place] for place in places]
            wide = found.setdefault(
                tuple(cell.text for cell in begun), replace(row, cells=[*begun, *[Cell()] * len(picks)])
            )
            for at, (pick, source) in enumerate(zip(picks, sources, strict=True), len(keys)):
                if all(row.values.get(name) == value for name, value in pick.where.items()):
                    cell = row.cells[source]
                    wide.cells[at] = replace(cell, ends=()) if pick.plain else cell
        columns = [*(self.columns[place] for place in places), *(pick.column for pick in picks)]
        return replace(self, columns=columns, rows=list(found.values()))

    def _place(self, name: str) -> int:
        return next(place for place, column in enumerate(self.columns) if column.name == name)
