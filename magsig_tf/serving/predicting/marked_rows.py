"""Rows of predictions on their way to a CSV: what an interrupted call left is gone on with, if it is what was written.

Beside the unfinished CSV lies a mark that names the model and knows bytes and SHA-256 of the rows so far.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

from magsig_tf.atomic_files import read_json, write_json
from magsig_tf.checksums import ChangedError
from magsig_tf.errors import DataError, MagsigError
from magsig_tf.serving.model_description import ModelDescription

COLUMNS = ("file", "case", "slide", "magnification", "probability", "label", "note", "error")
MARK_EVERY = 1.0
"""Seconds: rows of so long are predicted again after a kill."""


class MarkedRows:
    """A text stream whose mark says which model's rows it holds, how many bytes they take and their SHA-256.

    Args:
        stream: Where rows go.
        mark: The file that says so; stored on entering, now and then, and on leaving.
        model: Whose rows they are.
        partial: The file of the stream.
        end: Bytes that are in it already.
    """

    def __init__(self, stream: TextIO, mark: Path, model: ModelDescription, partial: Path, end: int):
        self.stream, self.mark, self.model, self.bytes = stream, mark, model.identity(), end
        with partial.open("rb") as file:
            self.digest = hashlib.sha256(file.read(end))

    def __enter__(self) -> MarkedRows:
        self._store()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(MagsigError, OSError):  # a disk that is full; the first error is the one to tell
            self._store()

    def write(self, text: str) -> int:
        """Write a text and count it."""
        encoded = text.encode("utf-8")
        self.digest.update(encoded)
        self.bytes += len(encoded)
        return self.stream.write(text)

    def store_now_and_then(self) -> None:
        """Store the mark where the last one is older than `MARK_EVERY`."""
        if time.monotonic() - self.stored >= MARK_EVERY:
            self._store()

    def _store(self) -> None:
        self.stream.flush()
        write_json(self.mark, {"model": self.model, "bytes": self.bytes, "sha256": self.digest.hexdigest()})
        self.stored = time.monotonic()


def row_writer(stream: MarkedRows | TextIO, header: bool = True) -> csv.DictWriter:
    """Return a writer of rows; it begins with the names of the columns unless these are there already."""
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    return writer


def kept_rows(model: ModelDescription, partial: Path, mark: Path) -> tuple[list[dict[str, str]], int]:
    """Return the whole rows of an unfinished CSV and how many bytes they take; a row cut off at the end is not whole.

    Raises:
        ChangedError: they are not those that were written.
        DataError: they are another model's, or it is none that `row_writer` began.
    """
    if not partial.exists():
        return [], 0
    said = read_json(mark) if mark.exists() else {}
    if said.get("model") != model.identity():
        expected = f"Expected unfinished predictions of {model.title} in {partial}"
        raise DataError(expected, "found those of another model", "Leave out --resume to start again")
    expected, remedy = f"Expected unfinished predictions in {partial}", "Leave out --resume to start again"
    rows, end = [], 0
    try:
        with open(partial, "rb") as stream:
            # marks of earlier versions name the model alone
            known = stream if set(said) == {"model"} else io.BytesIO(_as_marked(stream, said, partial))
            # file names are written printable, so that a row is a line
            for line in known:
                fields = next(csv.reader([line.decode("utf-8")], strict=True)) if line.endswith(b"\n") else []
                if len(fields) != len(COLUMNS):
                    break
                rows.append(dict(zip(COLUMNS, fields, strict=True)))
                end += len(line)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(expected, f"found: {error}", remedy) from error
    if rows and tuple(rows[0].values()) != COLUMNS:
        raise DataError(expected, "found another header", remedy)
    return rows[1:], end if len(rows) > 1 else 0


def _as_marked(stream: BinaryIO, said: Mapping[str, object], partial: Path) -> bytes:
    """Return what the mark knows of an unfinished CSV; what was written after it was stored is predicted again."""
    length = said.get("bytes")
    content = stream.read(length) if isinstance(length, int) and length >= 0 else b""
    if len(content) != length or hashlib.sha256(content).hexdigest() != said.get("sha256"):
        remedy = "Leave out --resume to start again"
        raise ChangedError(f"Expected {partial} as magsig wrote it", "found it changed since", remedy)
    return content
