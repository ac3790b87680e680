"""Any data set that a CSV manifest describes."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from magsig_tf.data.columns import LABELS, MEASURED_COLUMNS
from magsig_tf.data.prepared import check_manifest
from magsig_tf.data.sources.images import SourceImage, printable
from magsig_tf.data.sources.source import DataSource
from magsig_tf.errors import DataError, in_one_line

REQUIRED = ("path", "label", "magnification", "case")
ALIASES = {"file": "path", "seq": "sequence"}
LABEL_WORDS = {"benign": "benign", "malignant": "malignant", "0": "benign", "1": "malignant"}


class CsvManifest(DataSource):
    """Images listed in a CSV file with `path,label,magnification,case`; paths are relative to the CSV's folder.

    Args:
        source: The CSV file.
        options: None are known.
    """

    kind = "csv"
    source: Path

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        super().__init__(source, options)
        if self.source is None or not self.source.is_file():
            raise DataError("Expected a CSV manifest", f"found no file {self.source}", "Check --source")

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` is a file ending in `.csv`."""
        return source.suffix.lower() == ".csv" and source.is_file()

    @property
    def name(self) -> str:
        """The stem of the CSV's name, with what does not belong in a folder name replaced by `-`."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.source.stem).strip("-.") or self.kind

    @cached_property
    def table(self) -> pd.DataFrame:
        """The checked CSV: every column as text, under the manifest's column names."""
        return read_csv_manifest(self.source)

    def fingerprint(self) -> dict[str, object]:
        """Return hashes of the CSV and of the sizes and times of the files that it lists."""
        digest = hashlib.sha256()
        for path in self.table["path"]:
            try:
                status = os.stat(self.source.parent / path)
                digest.update(f"{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode())
            except (OSError, ValueError):
                digest.update(b"missing\x1e")
        csv_sha256 = hashlib.sha256(self.source.read_bytes()).hexdigest()
        return {"csv_sha256": csv_sha256, "images": len(self.table), "listing_sha256": digest.hexdigest()}

    def images(self) -> Iterator[SourceImage]:
        """Yield the images sorted by path."""
        for row in self._rows(self.table):
            yield SourceImage(row["path"], row, self.source.parent / row["path"])


def read_csv_manifest(source: Path) -> pd.DataFrame:
    """Read and check a CSV manifest.

    Args:
        source: A CSV file in UTF-8 with a header; `file` and `seq` are read as `path` and `sequence`.

    Returns:
        The table sorted by path, every value a string. Columns that `prepare` measures itself (`width`, `sha256`, ...)
        are kept under the prefix `csv_`, since a table's word is not a measurement.

    Raises:
        DataError: no CSV, missing columns, no rows, a path that leaves the CSV's folder, an unknown label, a path
            twice, an empty field, a case with two labels.
    """
    table = _read(source)
    names = _column_names(table.iloc[0].tolist(), source)
    table = table.iloc[1:].set_axis(names, axis=1).reset_index(drop=True)
    if table.empty:
        raise DataError(f"Expected rows in {source.name}", "found only a header", "Add one row per image")
    table["path"] = [_checked_path(path, row) for row, path in enumerate(table["path"], start=1)]
    table["label"] = [_checked_label(label, row) for row, label in enumerate(table["label"], start=1)]
    for column in ("magnification", "case", "slide", "subtype", "sequence", "cohort"):
        if column in table:
            table[column] = table[column].str.strip()
    check_manifest(table)
    return table.sort_values("path", ignore_index=True)


def _read(source: Path) -> pd.DataFrame:
    try:
        # as text and without guessing: "001" stays "001", and a case named "NA" stays a case
        # the header is read as a row: pandas would rename repeated columns and take surplus fields for an index
        return pd.read_csv(source, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig").fillna("")
    except OSError as error:
        raise DataError(f"Expected to read {source}", f"found: {error.strerror or error}", "Check --source") from error
    except Exception as error:  # the parser raises several kinds on what is no CSV
        reason = printable(in_one_line(error))[:200]
        raise DataError(f"Expected a CSV file in UTF-8: {source.name}", f"found: {reason}", "Save it again") from error


def _column_names(given: list[str], source: Path) -> list[str]:
    names = [str(name).strip() for name in given]
    names = [ALIASES[name] if name in ALIASES and ALIASES[name] not in names else name for name in names]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        shown = printable(", ".join(names))[:200]
        hint = "Separate the fields with commas" if ";" in shown or "\\t" in shown else "Rename or add columns"
        expected = f"Expected the columns {', '.join(REQUIRED)} in {source.name}"
        raise DataError(expected, f"found no {' and no '.join(missing)} among {shown}", hint)
    names = [f"csv_{name}" if name in MEASURED_COLUMNS else name for name in names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        remedy = "Rename or remove one"
        raise DataError(f"Expected each column once in {source.name}", f"found {min(doubled)!r} twice", remedy)
    return names


def _checked_path(text: str, row: int) -> str:
    path = PurePosixPath(text.strip())
    if path == PurePosixPath() or path.is_absolute() or ".." in path.parts or not text.isprintable():
        remedy = "Place the CSV in a folder above all images and write paths relative to it"
        raise DataError("Expected paths below the CSV's folder", f"found {printable(text)!r} in row {row}", remedy)
    return str(path)


def _checked_label(text: str, row: int) -> str:
    label = LABEL_WORDS.get(text.strip().lower())
    if label is None:
        expected = f"Expected the label {' or '.join(LABELS)} (or 0 or 1)"
        raise DataError(expected, f"found {printable(text)!r} in row {row}", "Correct the label")
    return label
