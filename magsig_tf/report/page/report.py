"""From gathered numbers to report.html, with its figures and tables as files.

What comes from files is escaped in the page, and nothing in it may reach a network.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from magsig_tf import __version__
from magsig_tf.atomic_files import replacing, write_text, writing
from magsig_tf.checksums import verified
from magsig_tf.data.plain_text import write_csv
from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claim, Claims
from magsig_tf.evaluation.claims.verdicts import Verdict
from magsig_tf.evaluation.summary.frame import POOLED, count_behind
from magsig_tf.report.figures import Figure, Palette, RealAndSynthetic
from magsig_tf.report.page.material import Material
from magsig_tf.report.page.sections import Section, Status, sections_of, status_of
from magsig_tf.report.tables.study import claims_page_table
from magsig_tf.report.tables.table import Cell, Table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

OPTIONAL_TABLES = ("comparison", "probes", "signatures", "signature_overlap", "explanation")
OPTIONAL_FIGURES = (RealAndSynthetic.name,)
LARGEST_SVG = 1_000_000
"""A drawing of more bytes than this stands in the page as pixels, so that the page stays small."""
_LONG = 30
"""Text of more letters than this is broken into lines."""
_HEAD = "% Written by magsig; needs \\usepackage{booktabs,longtable} and \\usepackage[T1]{fontenc}.\n"


TEMPLATE = "report.html.j2"
# a sign beside the colour and the words: none of the three is needed to read the others
_KINDS = {
    Verdict.HOLDS: ("holds", "✓"),
    Verdict.DOES_NOT_HOLD: ("fails", "✗"),
    Verdict.INCONCLUSIVE: ("untold", "?"),
    Verdict.NOT_RUN: ("missing", "–"),
}


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        page: The page.
        figures: Files of the figures; none where the report could not be written.
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
    write_text(page, _page(material, status, sections, sources, palette))
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
        write_csv(table.frame, temporary)
    write_text(printed, as_latex(table))
    return [numbers, printed]


def as_latex(table: Table) -> str:
    """Return the printed rows of a table as a LaTeX `longtable` with the rules of booktabs; text is escaped."""
    rows, titles = table.printed().rows, [_one_line(column.name) for column in table.columns]
    frame = pd.DataFrame([[_words(cell) for cell in row.cells] for row in rows], columns=titles)
    style = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    columns = [_column(frame.iloc[:, place], column.numeric) for place, column in enumerate(table.columns)]
    about: dict[str, Any] = {"caption": _escaped(table.title), "label": f"tab:{table.name}"}
    text = style.to_latex(environment="longtable", hrules=True, column_format="".join(columns), **about)
    legend = f"{{\\noindent\\footnotesize {_escaped(table.legend)}\\par}}\n" if table.legend else ""
    # a bracket that begins a row would be read as the height of the row before it
    return _HEAD + re.sub(r"(?m)^\[", "{[}", text) + legend


def _column(texts: pd.Series, numeric: bool) -> str:
    if numeric:
        return "r"
    return r"p{0.25\linewidth}" if texts.str.len().max() > _LONG else "l"


def _words(cell: Cell) -> str:
    second = cell.second(" to ")
    return _one_line(f"{cell.text} [{second}]" if second else cell.text)


def _one_line(text: str) -> str:
    """Return text without line breaks: one in a name, or an empty line, would end a row or a paragraph."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Escape one text as pandas escapes cells."""
    single = pd.DataFrame([[_one_line(text)]]).style.hide(axis="index").hide(axis="columns")
    lines = single.format(escape="latex").to_latex().splitlines()
    return lines[1].removesuffix(" \\\\")


def _page(
    material: Material, status: Status, sections: Sequence[Section], sources: dict[str, str], palette: Palette
) -> str:
    """Return the page.

    Args:
        material: Everything gathered.
        status: How much of the study is there.
        sections: The questions.
        sources: The figures as data addresses, by name; empty where there is nothing to draw.
        palette: Appearances of the methods.
    """
    from markupsafe import Markup

    keys = {label: f"m{place}" for place, label in enumerate(material.labels)}
    holdouts = [*material.matrix.holdouts, *([POOLED] if len(material.matrix.holdouts) > 1 else [])]
    # the only text of the page that is not escaped: two files of the package, and colours from a fixed list
    # colours are rules, since the policy allows no style in a tag
    colours = [f".{key} {{ --method: {palette[label].colour}; }}\n" for label, key in keys.items()]
    style = _resource("report.css") + "".join(colours)
    script = _resource("report.js")
    return _template().render(
        material=material,
        status=status,
        sections=sections,
        sources=sources,
        keys=keys,
        holdout_keys={name: f"h{place}" for place, name in enumerate(holdouts)},
        cards=[(claim, *_kind(claim)) for claim in material.claims.claims],
        counted=_count_verdicts(material.claims),
        other_data=OTHER_DATA if material.claims.of_other_data else "",
        about=_about(material),
        configs=_configs(material),
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )


def _kind(claim: Claim) -> tuple[str, str]:
    """Return class and sign of a verdict; a criterion of falsification that holds counts against the paper."""
    kind, sign = _KINDS[claim.finding.verdict]
    turned = {"holds": "fails", "fails": "holds"} if claim.falsifies else {}
    return turned.get(kind, kind), sign


def _count_verdicts(claims: Claims) -> str:
    """Say how many of the paper's statements have which verdict, criteria of falsification apart."""
    counted = Counter(claim.finding.verdict for claim in claims.claims if not claim.falsifies)
    words = [f"{verdict.value} {counted[verdict]}" for verdict in _KINDS if counted[verdict]]
    met = sum(claim.finding.verdict == Verdict.HOLDS for claim in claims.claims if claim.falsifies)
    criteria = sum(claim.falsifies for claim in claims.claims)
    return (
        f"The paper's statements, {counted.total()} in all: {', '.join(words)}. Of {criteria} criteria that would "
        f"falsify it, {met} {'is' if met == 1 else 'are'} met."
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.loader = PackageLoader("magsig_tf.report.page")
    environment.filters["said"] = said
    return environment.get_template(TEMPLATE)


def said(text: str) -> Markup:
    """Return a sentence as markup, escaped, what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _resource(name: str) -> str:
    return (importlib.resources.files("magsig_tf.report.page") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: pictures inside the page, its one style, its one script, nothing else."""
    allowed = []
    for kind, text in (("style", style), ("script", script)):
        value = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        allowed.append(f"{kind}-src 'sha256-{value}'")
    return "; ".join(["default-src 'none'", "img-src data:", *allowed, "base-uri 'none'", "form-action 'none'"])


def _about(material: Material) -> list[str]:
    """Say in one line each which data and runs these are."""
    counts = count_behind(material.loaded.runs, "test")
    magnifications = dict.fromkeys(name for group in material.matrix.groups for name in group.magnifications)
    hashes = sorted({run.dataset_hash for run in material.loaded.runs})
    return [
        f"Test data: {counts['cases_benign']} benign and {counts['cases_malignant']} malignant cases, "
        f"{counts['images']:,} images.",
        f"Magnifications: {', '.join(magnifications)}.",
        f"Intervals: {material.summary.level:.0%}, {material.summary.replicates:,} bootstraps over cases. "
        f"Threshold: {material.summary.threshold}.",
        f"Hash of the data: {', '.join(each[:16] for each in hashes)}.",
    ]


def _configs(material: Material) -> list[tuple[str, str]]:
    """Return the config of one run of each method as it lies on disk."""
    found = []
    for group in material.matrix.groups:
        path = verified(group.runs[min(group.runs)].folder / "config.yaml")
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "config.yaml is not there"
        found.append((group.label, text))
    return found
