"""From gathered numbers to report.html, its figures and its tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.atomic_files import write_text
from magsig_tf.report.figures import Palette, RealAndSynthetic
from magsig_tf.report.page.claim_cards import claims_page_table
from magsig_tf.report.page.files import draw_figures, remove_older, write_page_table
from magsig_tf.report.page.material import Material
from magsig_tf.report.page.render import render
from magsig_tf.report.page.sections import sections_of
from magsig_tf.report.page.status import Status, status_of

OPTIONAL_TABLES = ("comparison", "probes", "signatures", "signature_overlap", "explanation")
OPTIONAL_FIGURES = (RealAndSynthetic.name,)


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
    figures = [figure for section in sections for figure in section.figures]
    drawn = draw_figures(figures, folder / f"figures{ending}", progress)
    tables = [claims_page_table(material.claims), *(table for section in sections for table in section.tables)]
    place = folder / f"tables{ending}"
    kept = {table.name for table in tables} | set(drawn)
    remove_older([name for name in OPTIONAL_TABLES if name not in kept], ("csv", "tex"), place)
    remove_older([name for name in OPTIONAL_FIGURES if name not in kept], ("svg", "png"), folder / f"figures{ending}")
    written = [path for table in tables for path in write_page_table(table, place)]
    status = status_of(material.summary, material.tables, material.remarks)
    page = folder / f"report{ending}.html"
    write_text(page, render(material, status, sections, drawn, palette))
    return Report(page, [path for figure in drawn.values() for path in figure.paths], written, status)
