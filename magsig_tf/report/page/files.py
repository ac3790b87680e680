"""The figures and tables of a report as files, and figures as pictures inside the page."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing, write_text, writing
from magsig_tf.report.figures import Figure
from magsig_tf.report.tables.table import Cell, Table

LARGEST_SVG = 1_000_000
"""A drawing of more bytes than this stands in the page as pixels, so that the page stays small."""


@dataclass(frozen=True)
class Drawn:
    """One figure of the page.

    Args:
        name: Name of its files, without the ending.
        caption: What is to be read from it.
        source: The picture as a data address; empty where there is nothing to draw.
        absent: What is said in its place.
        wide: Whether it takes two columns.
        paths: Its files.
    """

    name: str
    caption: str
    source: str = field(repr=False)
    absent: str
    wide: bool
    paths: tuple[Path, ...]


def draw_figures(
    figures: Sequence[Figure], folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Drawn]:
    """Draw figures and write each as SVG and PNG; files of one that has nothing to draw any more are removed.

    Args:
        figures: What to draw.
        folder: Receives the files.
        progress: Told the figures done, and their number.

    Returns:
        The figures by name.

    Raises:
        MagsigError: the folder cannot be written.
    """
    drawn = {}
    for done, figure in enumerate(figures):
        progress(done, len(figures))
        drawn[figure.name] = _draw(figure, folder)
    progress(len(figures), len(figures))
    return drawn


def _draw(figure: Figure, folder: Path) -> Drawn:
    wide = figure.width > Figure.width
    if not len(figure.frame()):
        for path in (folder / f"{figure.name}.svg", folder / f"{figure.name}.png"):
            with writing(path):
                path.unlink(missing_ok=True)  # an older drawing would say what is no longer so
        return Drawn(figure.name, figure.caption, "", figure.absent, wide, ())
    paths = figure.write(folder)
    vector, pixels = paths
    # a picture cannot run anything and its ids stay its own, whatever lies in the drawing
    kind, path = ("svg+xml", vector) if vector.stat().st_size <= LARGEST_SVG else ("png", pixels)
    source = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    return Drawn(figure.name, figure.caption, source, "", wide, paths)


_LONG = 30
"""Text of more letters than this is broken into lines."""
_HEAD = "% Written by magsig; needs \\usepackage{booktabs,longtable} and \\usepackage[T1]{fontenc}.\n"


def write_page_table(table: Table, folder: Path) -> list[Path]:
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


def as_latex(table: Table) -> str:
    """Return the printed rows of a table as a LaTeX `longtable` with the rules of booktabs; text is escaped."""
    rows, titles = table.printed().rows, [_one_line(column.name) for column in table.columns]
    frame = pd.DataFrame([[_words(cell) for cell in row.cells] for row in rows], columns=titles)
    style = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    columns = [_column(frame.iloc[:, place], column.numeric) for place, column in enumerate(table.columns)]
    text = style.to_latex(
        environment="longtable",
        hrules=True,
        column_format="".join(columns),
        caption=_escaped(table.title),
        label=f"tab:{table.name}",
    )
    legend = f"{{\\noindent\\footnotesize {_escaped(table.legend)}\\par}}\n" if table.legend else ""
    # a bracket that begins a row would be read as the height of the row before it
    return _HEAD + re.sub(r"(?m)^\[", "{[}", text) + legend


def _column(texts: pd.Series, numeric: bool) -> str:
    if numeric:
        return "r"
    return r"p{0.25\linewidth}" if texts.str.len().max() > _LONG else "l"


def _words(cell: Cell) -> str:
    second = " to ".join(cell.ends) or cell.below
    return _one_line(f"{cell.text} [{second}]" if second else cell.text)


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
