"""From gathered numbers to report.html, with its figures and tables as files."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing, write_text, writing
from magsig_tf.report.figures import Figure, Palette, RealAndSynthetic
from magsig_tf.report.page.material import Material
from magsig_tf.report.page.render import render
from magsig_tf.report.page.sections import Status, sections_of, status_of
from magsig_tf.report.tables.study import claims_page_table
from magsig_tf.report.tables.table import Cell, Table

OPTIONAL_TABLES = ("comparison", "probes", "signatures", "signature_overlap", "explanation")
OPTIONAL_FIGURES = (RealAndSynthetic.name,)
LARGEST_SVG = 1_000_000
"""A drawing of more bytes than this stands in the page as pixels, so that the page stays small."""
_LONG = 30
"""Text of more letters than this is broken into lines."""
_HEAD = "% Written by magsig; needs \\usepackage{booktabs,longtable} and \\usepackage[T1]{fontenc}.\n"


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        page: The page.
        figures: Files of the figures.
        tables: Files of the tables.
        status: How much of the study is there.
    """

    page: Path
    figures: list[Path]
    tables: list[Path]
    status: Status


def build_report(
    material: Material, folder: Path, ending: str = "", progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Write the page, its figures and its tables.

    Args:
        material: Everything gathered.
        folder: Receives `report.html`, `figures/` and `tables/`.
        ending: What is appended to these names, such as "-demo".
        progress: Told the figures done, and their number.

    Raises:
        MagsigError: the folder cannot be written.
    """
    palette = Palette(material.labels)
    sections = sections_of(material, palette)
    figures, drawings = [figure for section in sections for figure in section.figures], folder / f"figures{ending}"
    sources: dict[str, str] = {}
    drawn: list[Path] = []
    for done, figure in enumerate(figures):
        progress(done, len(figures))
        sources[figure.name], paths = _draw(figure, drawings)
        drawn += paths
    progress(len(figures), len(figures))
    _remove(drawings, [name for name in OPTIONAL_FIGURES if name not in sources], ("svg", "png"))
    tables = [claims_page_table(material.claims), *(table for section in sections for table in section.tables)]
    place, kept = folder / f"tables{ending}", {table.name for table in tables}
    _remove(place, [name for name in OPTIONAL_TABLES if name not in kept], ("csv", "tex"))
    written = [path for table in tables for path in write_page_table(table, place)]
    status = status_of(material)
    page = folder / f"report{ending}.html"
    write_text(page, render(material, status, sections, sources, palette))
    return Report(page, drawn, written, status)


def _draw(figure: Figure, folder: Path) -> tuple[str, tuple[Path, ...]]:
    """Write a figure, and return it as a data address with its files; empty where there is nothing to draw."""
    if not len(figure.frame()):
        _remove(folder, [figure.name], ("svg", "png"))
        return "", ()
    paths = vector, pixels = figure.write(folder)
    # a picture cannot run anything and its ids stay its own, whatever lies in the drawing
    kind, path = ("svg+xml", vector) if vector.stat().st_size <= LARGEST_SVG else ("png", pixels)
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}", paths


def _remove(folder: Path, names: Iterable[str], endings: Iterable[str]) -> None:
    """Remove files that the report no longer has, which would say what is no longer so."""
    for path in [folder / f"{name}.{ending}" for name in names for ending in endings]:
        with writing(path):
            path.unlink(missing_ok=True)


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
    about = {"caption": _escaped(table.title), "label": f"tab:{table.name}"}
    text = style.to_latex(environment="longtable", hrules=True, column_format="".join(columns), **about)
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
