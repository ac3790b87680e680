"""What the page is made of: sections with a sentence, figures and tables. Text is plain here; the template escapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

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
