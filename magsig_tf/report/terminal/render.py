"""Any described table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Drawn
from rich.text import Text

from magsig_tf.report.tables.table import Cell, Table
from magsig_tf.report.terminal.console import PlainConsole


def print_tables(tables: Iterable[Table], console: Console, notes: Sequence[str] = ()) -> None:
    """Print tables with their titles and legends above and their notes below; in parts where one is too wide.

    Args:
        tables: What to print.
        console: Where to.
        notes: Sentences below all of them.
    """
    for table in tables:
        if table.title:
            console.print(Text(table.title, style="bold"))
        if table.legend:
            console.print(Text(table.legend, style="dim"))
        for part in parts(table, console.width):
            console.print(draw(part))
        for note in table.notes:
            console.print(Text(note))
    for note in notes:
        console.print(Text(note))


def parts(table: Table, width: int) -> list[Table]:
    """Return a table in parts that each fit a width and have its key columns.

    Args:
        table: What to print.
        width: Columns of text that a part may take.
    """
    keys = [place for place, column in enumerate(table.columns) if column.key]
    others = [place for place, column in enumerate(table.columns) if not column.key]
    found: list[Table] = []
    first = 0
    for end in range(1, len(others) + 1):
        part = table.take([*keys, *others[first:end]])
        if keys and end - first > 1 and _width(part) > width:
            first = end - 1
            found.append(table.take([*keys, *others[first:end]]))
        else:
            found[-1:] = [part]
    return found


def draw(table: Table) -> Drawn:
    """Return a table for `rich.console.Console.print`; below each value its interval."""
    drawn = Drawn(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in table.columns:
        drawn.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=True)
    # a section has the same words in the first columns, as far as these do not repeat them
    leading = next((place for place, column in enumerate(table.columns) if not column.once), len(table.columns))
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    for place, row in enumerate(table.rows):
        cells, same = [], place > 0
        for at, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
            same = same and (not column.once or cell.text == texts[place - 1][at])
            cells.append(Text() if same and column.once else _text(cell, column.width))
        ends = place + 1 == len(texts) or texts[place + 1][:leading] != texts[place][:leading]
        drawn.add_row(*cells, end_section=table.ruled and ends)
    return drawn


def _text(cell: Cell, width: int) -> Text:
    lines = [piece for line in cell.text.split("\n") for piece in (wrap(line, width) if width else [line])]
    style = "bold" if cell.strong else "dim" if cell.faint else ""
    if not math.isnan(cell.shade):
        shade = round(255 - 200 * cell.shade)
        style = f"black on rgb({shade},{shade},255)"
    text = Text("\n".join(lines), style=style)
    second = cell.second(cell.between, ",\n")
    return text.append(f"\n{second}", style="not bold dim") if second else text


def _width(table: Table) -> int:
    """Return the columns of text that a table takes where nothing is shortened."""
    unlimited = PlainConsole(width=10_000)
    return Measurement.get(unlimited, unlimited.options, draw(table)).maximum
