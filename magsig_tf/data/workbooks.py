"""Excel workbooks as tables of text: values as they were entered, never what a formula might give; bounded.

A workbook is a zip archive of XML, so its declared sizes are checked before anything of it is expanded.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from magsig_tf.data.plain_text import printable
from magsig_tf.data.table_text import Cells
from magsig_tf.errors import DataError, MagsigError, UsageError, in_one_line, nearest

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

LARGEST_UNPACKED = 256 * 2**20
"""Bytes of XML that a workbook may declare; a million cells take some 40 MiB."""
MOST_CELLS = 20_000_000
"""Blank ones among them: a single cell far below and to the right makes a sheet of billions."""
MOST_PARTS = 10_000
_EXACT_DIGITS = 15
_AS_CSV = "Save the sheet as CSV and pass that"
_ZEROS = re.compile(r"0{2,30}")
_FORMULA = re.compile(rb"<(\w+:)?f[\s/>]")
_MAIN_PART = "[Content_Types].xml"


def read_workbook(name: str, content: bytes, sheet: str | None = None) -> Cells:
    """Read one sheet of an Excel workbook (.xlsx).

    Args:
        name: Name of the file, for messages.
        content: Its bytes.
        sheet: Name of the sheet; the only one with content if not given.

    Raises:
        UsageError: there is no sheet of that name.
        DataError: openpyxl is not installed, the file is no workbook or would take too much memory, several sheets
            have content, or a formula has no value.
    """
    has_formulas = _check_parts(name, content)
    try:
        import openpyxl
    except ImportError as error:
        remedy = "Install it with pip install 'magsig[excel]', or save the sheet as CSV"
        expected = f"Expected the package openpyxl, which reads Excel workbooks such as {name}"
        raise DataError(expected, "found none", remedy) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False, data_only=True)
            sheets = {each.title: each for each in book.worksheets}
            title = _chosen_sheet(name, sheets, sheet)
            formulas = None
            if has_formulas:
                formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)[title]
            cells = _cells(name, sheets[title], formulas)
    except MagsigError:
        raise
    except Exception as error:  # openpyxl raises anything on what is no workbook
        found = f"found: {printable(in_one_line(error))[:200] or type(error).__name__}"
        raise DataError(f"Expected an Excel workbook that is whole: {name}", found, _AS_CSV) from error
    sheet_of = f"from the sheet {printable(title)!r} of" if len(sheets) > 1 else "as"
    cells.notes.append(f"{sheet_of} an Excel workbook")
    return cells


def _check_parts(name: str, content: bytes) -> bool:
    """Return whether a workbook holds formulas; refuse what is none, or declares more than it may.

    Raises:
        DataError: see above.
    """
    expected = f"Expected a CSV file or an Excel workbook: {name}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if _MAIN_PART not in names or not any(each.startswith("xl/") for each in names):
                kind = "an OpenDocument table" if "content.xml" in names else "a zip archive that holds none"
                raise DataError(expected, f"found {kind}", "Save it as CSV or as .xlsx")
            size = sum(part.file_size for part in parts)
            if size > LARGEST_UNPACKED or len(parts) > MOST_PARTS:
                found = f"found {len(parts):,} parts that declare {size / 2**20:,.0f} MiB"
                raise DataError(f"Expected at most {LARGEST_UNPACKED // 2**20} MiB in {name}", found, _AS_CSV)
            formulas = False
            for part in parts:
                # no workbook has a document type; one that declares entities could grow without end
                start = archive.open(part).read(2**16).replace(b"\0", b"").upper()
                if b"<!DOCTYPE" in start:
                    raise DataError(expected, f"found a document type in {printable(part.filename)}", _AS_CSV)
                if part.filename.endswith(".xml") and not formulas:
                    formulas = _FORMULA.search(archive.read(part)) is not None
            return formulas
    except MagsigError:
        raise
    except Exception as error:  # zipfile and the decompressors raise anything on damaged bytes
        found = f"found a damaged one ({printable(in_one_line(error))[:200]})"
        raise DataError(expected, found, "Save it again") from error


def _chosen_sheet(name: str, sheets: dict[str, ReadOnlyWorksheet], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in sheets:
            raise UsageError(f"Expected a sheet {wanted!r} in {name}", "found none", nearest(wanted, sheets))
        return wanted
    filled = [title for title, sheet in sheets.items() if any(map(any, _rows(name, sheet)))]
    if len(filled) > 1:
        found = f"found content in {len(filled)}: {printable(', '.join(map(repr, filled)))[:200]}"
        raise DataError(f"Expected one sheet with content in {name}", found, f"Choose with --sheet {filled[0]!r}")
    return filled[0] if filled else next(iter(sheets))


def _rows(name: str, sheet: ReadOnlyWorksheet) -> Iterator[tuple]:
    """Yield the values of each row, whatever extent the sheet declares."""
    for row in _cell_rows(name, sheet):
        yield tuple(cell.value for cell in row)


def _cell_rows(name: str, sheet: ReadOnlyWorksheet) -> Iterator[tuple]:
    sheet.reset_dimensions()
    visited = 0
    for row in sheet.iter_rows():
        visited += 1 + len(row)
        if visited > MOST_CELLS:
            found = "found more, most of them blank perhaps"
            raise DataError(f"Expected at most {MOST_CELLS:,} cells in a sheet of {name}", found, _AS_CSV)
        yield row


def _cells(name: str, values: ReadOnlyWorksheet, formulas: ReadOnlyWorksheet | None) -> Cells:
    cells = Cells([], [], place="row")
    entered_rows = repeat(()) if formulas is None else _cell_rows(name, formulas)
    for number, (row, entered) in enumerate(zip(_cell_rows(name, values), entered_rows, strict=False), start=1):
        fields, doubtful = [], {}
        for position, cell in enumerate(row):
            if cell.value is None and entered and entered[position].value is not None:
                place = f"found one without a value in {printable(values.title)!r}, {entered[position].coordinate}"
                remedy = "Open the workbook in Excel and save it, or save the sheet as CSV"
                raise DataError(f"Expected the values of formulas in {name}", place, remedy)
            text, what = _text(cell)
            fields.append(text)
            if what:
                doubtful[position] = what
        if not any(fields):
            cells.blank_rows += bool(cells.rows)
            continue
        while fields and not fields[-1]:
            fields.pop()
        width = len(cells.rows[0]) if cells.rows else len(fields)
        if len(fields) > width:
            found = f"found {printable(fields[-1])[:60]!r} in column {len(fields)} of row {number}"
            remedy = "Write its name into the header"
            raise DataError(f"Expected values below the {width} names of the header in {name}", found, remedy)
        cells.doubtful |= {(len(cells.rows), position): what for position, what in doubtful.items()}
        cells.rows.append(fields + [""] * (width - len(fields)))
        cells.lines.append(number)
    return cells


def _text(cell: Any) -> tuple[str, str]:
    """Return a cell's value as text, and what is doubtful about it ("" if nothing is)."""
    value = cell.value
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value.strip(), ""
    if isinstance(value, bool):
        return str(value).upper(), ""
    if isinstance(value, int | float):
        whole = int(value) if value == int(value) else None
        if abs(value) >= 10**_EXACT_DIGITS:
            return str(value), f"the number {value:.6g}, of which a spreadsheet keeps {_EXACT_DIGITS} digits"
        if whole is None:
            return repr(value), ""
        # "0042" entered into a column of that format is kept as 42 and shown as 0042
        zeros = cell.number_format if _ZEROS.fullmatch(str(cell.number_format)) else ""
        return str(whole).zfill(len(zeros)), ""
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value), f"the date or time {value}"
    return str(value).strip(), ""
