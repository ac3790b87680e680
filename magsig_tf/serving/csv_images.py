"""The rows of a CSV that lists images, one at a time: a list may be longer than memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from magsig_tf.data.source import printable
from magsig_tf.errors import DataError

ALIASES = {"file": "path", "image": "path"}
KNOWN = ("path", "case", "slide", "magnification")


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield what a CSV says of each image.

    Args:
        path: A CSV in UTF-8 with a column `path` (or `file`, `image`); `case`, `slide` and `magnification` are read
            where they are there, other columns are not.

    Yields:
        The values of `path`, `case`, `slide` and `magnification`, stripped; empty where there is none.

    Raises:
        DataError: it cannot be read, has no such column, or a row has more fields than the header.
    """
    try:
        # utf-8-sig: spreadsheets put a mark in front, which would become part of the first column's name
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            columns = _columns(path, next(lines, []))
            for fields in lines:
                if not any(fields):
                    continue
                if len(fields) > len(columns):
                    raise ValueError(f"line {lines.line_num} has {len(fields)} fields, the header {len(columns)}")
                found = dict(zip(columns, fields, strict=False))
                yield {key: found.get(key, "").strip() for key in KNOWN}
    except (csv.Error, ValueError, OSError) as error:
        reason = printable(" ".join(str(error).split()))[:200]
        raise DataError(f"Expected a CSV file in UTF-8: {path}", f"found: {reason}", "Save it again") from error


def _columns(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    names = [ALIASES[name] if name in ALIASES and "path" not in names else name for name in names]
    if names.count("path") != 1:
        shown = printable(", ".join(names))[:200]
        raise DataError(
            f"Expected one column path (or file, image) in {path}",
            f"found {names.count('path') or 'none'} among {shown or 'nothing'}",
            "Rename a column; separate the fields with commas",
        )
    return names
