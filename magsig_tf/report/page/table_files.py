"""The tables of a report as files: all numbers as CSV, and what is printed as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing, write_text
from magsig_tf.report.page.blocks import Cell, PageTable

_LONG = 30
"""Text of more letters than this is broken into lines."""
_HEAD = "% Written by magsig; needs \\usepackage{booktabs,longtable} and \\usepackage[T1]{fontenc}.\n"


def write_page_table(table: PageTable, folder: Path) -> list[Path]:
    """Write one table as CSV and LaTeX.

    Args:
        table: What to write.
        folder: Receives `<name>.csv` and `<name>.tex`.

    Returns:
        The files written.

    Raises:
        MagsigError: the folder cannot be written.
    """
    numbers, printed = folder / f"{table.name}.csv", folder / f"{table.name}.tex"
    with replacing(numbers) as temporary:
        table.frame.to_csv(temporary, index=False)
    write_text(printed, as_latex(table))
    return [numbers, printed]


def as_latex(table: PageTable) -> str:
    """Return the printed rows of a table as a LaTeX `longtable` with the rules of booktabs; text is escaped."""
    rows = table.rows if table.short is None else table.short
    titles = [_one_line(title) for title in table.columns]
    frame = pd.DataFrame([[_words(cell) for cell in row.cells] for row in rows], columns=titles)
    style = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    columns = [_column(frame.iloc[:, place], numeric) for place, numeric in enumerate(table.columns.values())]
    text = style.to_latex(
        environment="longtable",
        hrules=True,
        column_format="".join(columns),
        caption=_escaped(table.title),
        label=f"tab:{table.name}",
    )
    # a bracket that begins a row would be read as the height of the row before it
    return _HEAD + re.sub(r"(?m)^\[", "{[}", text)


def _column(texts: pd.Series, numeric: bool) -> str:
    if numeric:
        return "r"
    return r"p{0.25\linewidth}" if texts.str.len().max() > _LONG else "l"


def _words(cell: Cell) -> str:
    return _one_line(f"{cell.text} [{cell.detail}]" if cell.detail else cell.text)


def _one_line(text: str) -> str:
    """Return text without line breaks: one in a name, or an empty line, would end a row or a paragraph."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Escape one text as pandas escapes cells."""
    single = pd.DataFrame([[_one_line(text)]]).style.hide(axis="index").hide(axis="columns")
    lines = single.format(escape="latex").to_latex().splitlines()
    return lines[1].removesuffix(" \\\\")


def remove_older(names: Sequence[str], endings: Sequence[str], folder: Path) -> None:
    """Remove files that the report no longer has, which would say what is no longer so.

    Args:
        names: Names of tables or figures, without the ending.
        endings: Their endings.
        folder: Where they lie.
    """
    for name in names:
        for ending in endings:
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
