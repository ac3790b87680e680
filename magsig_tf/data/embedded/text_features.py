"""Embeddings in the columns of a text table or a workbook; a text table is read in pieces, however large it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from magsig_tf.checksums import verified
from magsig_tf.data.embedded.feature_columns import feature_columns
from magsig_tf.data.embedded.stored import FoundEmbeddings, check_shape, spooled
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.table_text import Cells, folded, read_text_table
from magsig_tf.data.workbooks import read_workbook
from magsig_tf.errors import DataError, of_system, reading_remedy

PIECE = 8 * 2**20
_LONGEST_HEADER = 4 * 2**20
_LARGEST_IN_ONE = 64 * 2**20
_KNOWN = {folded(name) for ours, others in KNOWN.items() for name in (ours, *others)}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?|[+-]?\d+([eE][+-]?\d+)?|", re.ASCII)


def read_text_features(path: Path, chosen: str | None, sheet: str | None, spool: Path | None) -> FoundEmbeddings:
    """Read a table of which some columns are an embedding, as float32.

    Args:
        path: A CSV file or an Excel workbook.
        chosen: The word in front of the numbers of the columns, where there are several.
        sheet: Name of the sheet of a workbook.
        spool: Folder for embeddings that are too large for memory.

    Raises:
        DataError: it cannot be read, has no such columns, or a cell of them is no number.
    """
    header: list[str] = []
    rest: list[list[str]] = []
    lines: list[int] = []
    notes: list[str] = []
    blank, place = 0, "line"
    places: list[int] = []
    numbers: list[np.ndarray] = []
    commas = 0
    for cells in _pieces(path, sheet):
        if not header:
            header, place, lines = cells.rows[0], cells.place, [cells.lines[0]]
            by_name = {name: at for at, name in enumerate(header)}
            if len(by_name) < len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise DataError(f"Expected each column once in {path.name}", f"found {printable(twice)!r} twice", "")
            columns = feature_columns(header, chosen, path.name)
            places = [by_name[name] for name in columns]
            others = [at for at in range(len(header)) if at not in set(places)]
            rest.append([header[at] for at in others])
        values, decimal = _numbers(cells, places, path.name)
        numbers.append(values)
        commas += decimal
        rest += [[row[at] for at in others] for row in cells.rows[1:]]
        lines += cells.lines[1:]
        blank += cells.blank_rows
        notes += [note for note in cells.notes if note not in notes]
    shape = (len(rest) - 1, 1, len(places))
    check_shape(shape, path.name)
    array = spooled(shape, np.dtype(np.float32), numbers, spool)
    said = [f"{path.name}: commas of {commas:,} rows are read as decimal points"] if commas else []
    table = Cells(rest, lines, place, notes, blank) if rest[0] else None
    return FoundEmbeddings(array, (path,), path.name, path.stem, "float32", table, notes=tuple(said))


def has_feature_columns(path: Path) -> bool:
    """Return whether the header of a text table names an embedding; quick, and never raises."""
    try:
        with open(path, "rb") as stream:
            header = _first_record(stream.read(_LONGEST_HEADER) + b"\n")
        if header is None:
            return False
        return bool(feature_columns(read_text_table(path.name, header, _KNOWN).rows[0], None, path.name))
    except (OSError, DataError, IndexError):
        return False


def _pieces(path: Path, sheet: str | None) -> Iterator[Cells]:
    """Yield a table in pieces that each have the header in front."""
    try:
        with open(verified(path), "rb") as stream:
            content = stream.read(PIECE)
            if content.startswith(b"PK\x03\x04"):
                yield read_workbook(path.name, path.read_bytes(), sheet)
                return
            if len(content) < PIECE or content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content:
                content += stream.read(_LARGEST_IN_ONE)
                if stream.read(1):
                    remedy = "Save it as UTF-8, as NPZ or as Parquet"
                    raise DataError(f"Expected a large table in UTF-8: {path.name}", "found UTF-16", remedy)
                yield read_text_table(path.name, content, _KNOWN)
                return
            header = _first_record(content)
            if header is None:
                raise DataError(f"Expected a table in {path.name}", "found no header", "Write the names of its columns")
            yield from _in_pieces(path.name, header, content[len(header) :], stream)
    except OSError as error:
        remedy = reading_remedy(error, "Check the path")
        raise DataError(f"Expected to read {path.name}", f"found: {of_system(error)}", remedy) from error


def _in_pieces(name: str, header: bytes, content: bytes, stream: IO[bytes]) -> Iterator[Cells]:
    passed, first = 0, True
    while content or first:
        more = stream.read(PIECE)
        cut = _last_row_end(content) if more else len(content)
        if cut == 0 and more and len(content) < 16 * PIECE:
            content += more
            continue
        cells = read_text_table(name, header + content[:cut], _KNOWN)
        cells.lines = [line + passed for line in cells.lines]
        passed += len(re.findall(rb"\r\n|\n|\r", content[:cut]))
        yield cells
        content, first = content[cut:] + more, False


def _last_row_end(content: bytes) -> int:
    """Return where the last whole row of a piece ends: behind a line break that is not in quotes."""
    end = content.rfind(b"\n")
    while end >= 0 and content.count(b'"', 0, end) % 2:
        end = content.rfind(b"\n", 0, end)
    return end + 1


def _first_record(content: bytes) -> bytes | None:
    """Return the bytes up to the end of the header, and a line `sep=` before it."""
    end = 0
    while (end := content.find(b"\n", end) + 1) > 0:
        text = content[:end].lstrip(b"\xef\xbb\xbf").strip()
        last = text.splitlines()[-1] if text else b""
        if text.count(b'"') % 2 == 0 and last and not last.lower().lstrip(b'"').startswith(b"sep="):
            return content[:end]
    return None


def _numbers(cells: Cells, places: Sequence[int], name: str) -> tuple[np.ndarray, int]:
    """Return the numbers of some columns, float32 [rows, columns], and how many rows have decimal commas."""
    values = np.empty((len(cells.rows) - 1, len(places)), np.float32)
    commas = 0
    for row, fields in enumerate(cells.rows[1:]):
        texts = [fields[at] for at in places]
        try:
            values[row] = [float(text) for text in texts]
            continue
        except ValueError:
            pass
        if all(texts) and all(map(_DECIMAL_COMMA.fullmatch, texts)):
            values[row] = [float(text.replace(",", ".")) for text in texts]
            commas += 1
            continue
        column, text = next((at, text) for at, text in zip(places, texts, strict=True) if not _is_number(text))
        expected = f"Expected a number as {printable(cells.rows[0][column])[:60]} in {name}"
        found = f"found {printable(text)[:40]!r}" if text else "found nothing"
        raise DataError(expected, f"{found} in {cells.place} {cells.lines[row + 1]}", "Correct it or leave the row out")
    return values, commas


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
