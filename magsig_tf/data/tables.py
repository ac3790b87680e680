"""The one reader of tables that people bring: CSV, TSV and Excel workbooks, for prepare, predict and audit.

Every value stays text. What had to be assumed is said in `Table.notes`; what could mean two things is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from magsig_tf.data.plain_text import printable
from magsig_tf.data.table_text import Cells, folded, read_text_table
from magsig_tf.data.workbooks import read_workbook
from magsig_tf.errors import DataError, UsageError, nearest

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm")
"""A file that ends so is taken for a table."""
LARGEST_TABLE = 256 * 2**20
"""Bytes; some two million rows. A table is held in memory whole."""
_OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook of before 2007 (.xls)",
    b"\x1f\x8b": "a file compressed with gzip",
    b"PAR1": "a Parquet file",
    b"{\\rtf": "a text document (RTF)",
    b"%PDF": "a PDF document",
}
_MARKUP = re.compile(rb"\s*<(!doctype|html|table|\?xml)", re.IGNORECASE)
_FORMULA_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Table:
    """A table that was understood.

    Args:
        frame: The rows, every value a string without outer blanks; columns that were asked for under the names that
            the caller uses, all others under their own.
        notes: What was assumed, as sentences.
        lines: Line of the file (of a workbook: row of the sheet) of each row of `frame`.
        place: What `lines` count: "line" or "row".
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    lines: tuple[int, ...]
    place: str = "line"

    def where(self, row: int) -> str:
        """Return where a row of `frame` (from 0) stands in the file, such as "line 7"."""
        return f"{self.place} {self.lines[row]}"


def is_table(path: Path) -> bool:
    """Return whether a file is taken for a table; its name alone decides."""
    return path.suffix.lower() in SUFFIXES


def read_table(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    *,
    required: Sequence[str] = (),
    chosen: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> Table:
    """Read a table.

    Args:
        path: A CSV file (commas, semicolons, tabs or vertical bars; UTF-8, UTF-16 or Windows-1252) or an Excel
            workbook.
        columns: The columns that the caller knows, each with other names that are read as it. Capitals and blanks
            around a name do not count.
        required: Those of them that must be there.
        chosen: For columns of that list the name that the table has for them (`--columns label=Diagnosis`).
        sheet: Name of the sheet of a workbook; the only one with content if not given.

    Raises:
        UsageError: `chosen` names a column that is not known or not there, or `sheet` no sheet.
        DataError: the file cannot be read, is no table, or could be read in two ways.
    """
    chosen = dict(chosen or {})
    known = {folded(name) for ours, others in columns.items() for name in (ours, *others)}
    _refuse_unknown(chosen, columns)
    cells = _read(path, known | {folded(theirs) for theirs in chosen.values()}, sheet)
    return understood(cells, path.name, columns, required=required, chosen=chosen)


def understood(
    cells: Cells,
    name: str,
    columns: Mapping[str, Sequence[str]],
    *,
    required: Sequence[str] = (),
    chosen: Mapping[str, str] | None = None,
) -> Table:
    """Return the table that cells make, whatever they were read from; raises as `read_table` does.

    Args:
        cells: A header and rows.
        name: Name of the file that they were read from, for messages.
        columns: As `read_table` takes them.
        required: As `read_table` takes them.
        chosen: As `read_table` takes them.
    """
    chosen = dict(chosen or {})
    _refuse_unknown(chosen, columns)
    if not cells.rows:
        raise DataError(f"Expected a table in {name}", "found nothing in it", "Pass another file")
    blank_columns = _drop_blank_columns(cells, name)
    given = cells.rows[0]
    sources, renamed = _resolved(given, columns, required, chosen, name)
    rows = cells.rows[1:]
    by_column: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(given)
    _refuse_what_spreadsheets_make(cells, by_column, sources, name)
    data = {ours: by_column[position] for ours, position in sources.items()}
    taken = set(sources.values())
    for position, header in enumerate(given):
        if position not in taken:
            # another column was chosen in its place
            while header in data or header in sources:
                header = f"csv_{header}"
            data[header] = by_column[position]
    frame = pd.DataFrame(data, dtype=object)
    notes = _sentences(name, cells, renamed, blank_columns)
    return Table(frame, notes, tuple(cells.lines[1:]), cells.place)


def _refuse_unknown(chosen: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> None:
    for name in chosen:
        if name not in columns:
            expected = "Expected a column that magsig knows on the left of --columns OURS=THEIRS"
            raise UsageError(expected, f"found {name!r}", nearest(name, columns))


def _read(path: Path, known: set[str], sheet: str | None) -> Cells:
    try:
        size = path.stat().st_size
        if size > LARGEST_TABLE:
            found = f"found {size / 2**20:,.0f} MiB"
            raise DataError(f"Expected a table of at most {LARGEST_TABLE // 2**20} MiB in {path}", found, "Split it")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Expected to read {path}", f"found: {error.strerror or error}", "Check the path") from error
    if content.startswith(b"PK\x03\x04"):
        return read_workbook(path.name, content, sheet)
    if sheet is not None:
        raise UsageError("Expected an Excel workbook with --sheet", f"found {path.name}", "Leave out --sheet")
    for start, kind in _OTHER_KINDS.items():
        if content.startswith(start):
            remedy = "Save it as CSV or as .xlsx"
            raise DataError(f"Expected a CSV file or an Excel workbook: {path.name}", f"found {kind}", remedy)
    if _MARKUP.match(content):
        found = "found a web page or XML, which some programs save under a table's name"
        raise DataError(f"Expected a CSV file or an Excel workbook: {path.name}", found, "Save it as CSV")
    return read_text_table(path.name, content, known)


def _drop_blank_columns(cells: Cells, name: str) -> list[str]:
    """Pass over columns without a name that hold nothing, or only the numbers of the rows; say which.

    Raises:
        DataError: a column has content but no name.
    """
    unnamed = [position for position, header in enumerate(cells.rows[0]) if not header]
    blank = 0
    numbered = []
    for position in unnamed:
        values = [row[position] for row in cells.rows[1:]]
        if not any(values):
            blank += 1
        elif values in ([str(n) for n in range(len(values))], [str(n + 1) for n in range(len(values))]):
            numbered.append(position)
        else:
            at = next(row for row, value in enumerate(values) if value)
            found = f"found none above {printable(values[at])[:60]!r} ({cells.place} {cells.lines[1 + at]})"
            remedy = "Write its name into the header"
            raise DataError(f"Expected a name for column {position + 1} of {name}", found, remedy)
    if unnamed:
        kept = [position for position in range(len(cells.rows[0])) if position not in set(unnamed)]
        place = {position: new for new, position in enumerate(kept)}
        cells.rows = [[row[position] for position in kept] for row in cells.rows]
        cells.doubtful = {(row, place[at]): what for (row, at), what in cells.doubtful.items() if at in place}
    return [_counted(blank, "column without content")] * bool(blank) + ["the numbers of the rows"] * bool(numbered)


def _resolved(
    given: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
    chosen: Mapping[str, str],
    name: str,
) -> tuple[dict[str, int], list[str]]:
    """Return the position of each known column that is there, and what had to be renamed.

    Raises:
        UsageError: a chosen column is not there.
        DataError: a required one is not, or a name stands twice.
    """
    doubled = sorted(header for header, count in Counter(given).items() if count > 1)
    if doubled:
        expected = f"Expected each column once in {name}"
        raise DataError(expected, f"found {printable(doubled[0])!r} twice", "Give one of them another name")
    compared = [folded(header) for header in given]
    sources: dict[str, int] = {}
    renamed = []
    taken = {_position(theirs, given, compared, name) for theirs in chosen.values()}
    for ours, others in columns.items():
        if ours in chosen:
            sources[ours] = _position(chosen[ours], given, compared, name)
            renamed.append(f"column {printable(given[sources[ours]])} as {ours}")
            continue
        for spelled in ([ours], list(others)):
            wanted = {folded(each) for each in spelled}
            fitting = [at for at, header in enumerate(compared) if header in wanted and at not in taken]
            if len(fitting) > 1:
                found = f"found {' and '.join(repr(printable(given[at])) for at in fitting)}"
                remedy = f"Say which with --columns {ours}={printable(given[fitting[0]])}"
                raise DataError(f"Expected one column {ours} in {name}", found, remedy)
            if fitting:
                sources[ours] = fitting[0]
                if given[fitting[0]] not in (ours, *others):
                    renamed.append(f"column {printable(given[fitting[0]])} as {ours}")
                break
    missing = [ours for ours in required if ours not in sources]
    if missing:
        shown = printable(", ".join(given))[:200]
        remedy = f"Name yours with --columns {','.join(f'{ours}=THEIRS' for ours in missing)}"
        if len(given) == 1 and len(required) > 1:
            remedy = "Separate the fields with commas, semicolons, tabs or |"
        expected = f"Expected the columns {', '.join(required)} in {name}"
        if len(required) == 1:
            other = f" (or {', '.join(columns[required[0]])})" if columns[required[0]] else ""
            expected = f"Expected a column {required[0]}{other} in {name}"
        raise DataError(expected, f"found no {' and no '.join(missing)} among {shown}", remedy)
    return sources, renamed


def _position(theirs: str, given: Sequence[str], compared: Sequence[str], name: str) -> int:
    """Return where a column stands that the user names; capitals count only where two differ by them alone."""
    exact = [at for at, header in enumerate(given) if header == theirs.strip()]
    fitting = exact or [at for at, header in enumerate(compared) if header == folded(theirs)]
    if len(fitting) == 1:
        return fitting[0]
    expected = f"Expected a column {theirs!r} in {name}, as --columns says"
    raise UsageError(expected, "found two that differ by capitals" if fitting else "found none", nearest(theirs, given))


def _refuse_what_spreadsheets_make(
    cells: Cells, by_column: Sequence[Sequence[str]], sources: Mapping[str, int], name: str
) -> None:
    """Refuse dates, rounded numbers and errors of formulas in the columns that are known.

    Raises:
        DataError: a spreadsheet has put one of these where a name was.
    """
    remedy = "Format that column as text and enter the names again"
    expected = f"Expected what was entered in {name}, not what a spreadsheet made of it"
    for ours, position in sources.items():
        for row, value in enumerate(by_column[position], start=1):
            made = cells.doubtful.get((row, position)) if cells.doubtful else None
            if made is None and value.startswith("#") and value in _FORMULA_ERRORS:
                made = f"the error {value} of a formula"
            if made is None and "\ufffd" in value:
                made = f"{printable(value)[:60]!r} with a letter that was lost"
            if made is None and "+" in value and _ROUNDED.fullmatch(value):
                made = f"the rounded number {value}"
            if made is not None:
                raise DataError(expected, f"found {made} as {ours} in {cells.place} {cells.lines[row]}", remedy)


def _sentences(name: str, cells: Cells, renamed: Sequence[str], blank_columns: Sequence[str]) -> tuple[str, ...]:
    sentences = []
    if cells.notes:
        sentences.append(f"{name} was read {' '.join(cells.notes)}")
    if renamed:
        sentences.append(f"{name}: {', '.join(renamed)}")
    passed = ([_counted(cells.blank_rows, "row without content")] if cells.blank_rows else []) + list(blank_columns)
    if passed:
        sentences.append(f"{name}: passed over {' and '.join(passed)}")
    return tuple(sentences)


def _counted(count: int, what: str) -> str:
    first, _, rest = what.partition(" ")
    return f"{count:,} {first}{'' if count == 1 else 's'} {rest}"
