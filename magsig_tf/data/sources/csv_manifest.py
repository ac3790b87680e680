"""Any data set that a CSV manifest describes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from magsig_tf.data.columns import OWN_COLUMNS
from magsig_tf.data.manifest import check_manifest
from magsig_tf.data.naming import plain_names, with_site
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.images import SourceImage
from magsig_tf.data.sources.label_words import LabelWords, parse_pairs
from magsig_tf.data.sources.listed_files import ListedFiles, find_listed_files, refuse_missing
from magsig_tf.data.sources.source import UNREADABLE_LIMIT, DataSource, dataset_name
from magsig_tf.data.tables import Table, is_table, read_table
from magsig_tf.errors import DataError

REQUIRED = ("path", "label", "magnification", "case")
KNOWN: dict[str, tuple[str, ...]] = {
    "path": ("file",),
    **dict.fromkeys(("label", "magnification", "case", "slide", "subtype"), ()),
    "sequence": ("seq",),
    **dict.fromkeys(("cohort", "origin", "site"), ()),
}
"""Columns with a meaning of their own, each with other names that are read as it."""


class CsvManifest(DataSource):
    """Images listed in a table with `path,label,magnification,case`; paths are relative to the table's folder.

    Args:
        source: A CSV file or an Excel workbook.
        options: `columns` (OURS=THEIRS pairs), `labels` (CLASS=WORD|WORD pairs) and `sheet`, each as text.
    """

    kind = "csv"
    source: Path
    option_names = ("columns", "labels", "sheet")

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        super().__init__(source, options)
        if self.source is None or not self.source.is_file():
            raise DataError("Expected a CSV manifest", f"found no file {self.source}", "Check --source")
        columns: Any = self.options.get("columns")
        self.columns = {} if columns is None else parse_pairs(columns, tuple(KNOWN), "--columns")
        self.labels = LabelWords(self.options.get("labels"))  # type: ignore[arg-type]

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` is a file that ends as a table does (`.csv`, `.tsv`, `.xlsx`, ...)."""
        return is_table(source) and source.is_file()

    @property
    def name(self) -> str:
        """The stem of the table's name, with what does not belong in a folder name replaced by `-`."""
        return dataset_name(self.source.stem) or self.kind

    @cached_property
    def read(self) -> ManifestTable:
        """The table and the files that it names."""
        sheet = self.options.get("sheet")
        read = read_manifest(self.source, self.columns, self.labels, None if sheet is None else str(sheet))
        self.notes.extend(read.notes)
        return read

    @property
    def table(self) -> pd.DataFrame:
        """The checked table: every column as text, under the manifest's column names."""
        return self.read.table

    def fingerprint(self) -> dict[str, object]:
        """Return hashes of the table and of the sizes and times of the files that it lists, and what was chosen."""
        digest = hashlib.sha256()
        for file in self.read.files:
            try:
                status = os.stat(file)
                digest.update(f"{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode())
            except (OSError, ValueError):
                digest.update(b"missing\x1e")
        csv_sha256 = hashlib.sha256(self.source.read_bytes()).hexdigest()
        chosen = {"columns": self.columns, "labels": self.labels.request(), "sheet": self.options.get("sheet")}
        listing = {"csv_sha256": csv_sha256, "images": len(self.table), "listing_sha256": digest.hexdigest()}
        # what is not chosen is left out: data sets of earlier versions stay the same
        return listing | {option: value for option, value in chosen.items() if value}

    def names(self) -> pd.DataFrame:
        """Return the table: everything is known before an image is read."""
        return self.table

    def images(self) -> Iterator[SourceImage]:
        """Yield the images sorted by path.

        Raises:
            DataError: more of the files are missing than may be unreadable.
        """
        listed = ListedFiles(self.table["path"].tolist(), self.read.files, [])
        refuse_missing(listed, self.source.parent, self.source.name, UNREADABLE_LIMIT)
        for row, file in zip(self._rows(self.table), self.read.files, strict=True):
            yield SourceImage(row["path"], row, file)


@dataclass(frozen=True)
class ManifestTable:
    """A table of images that was checked.

    Args:
        table: One row an image, sorted by path, every value a string; columns under the manifest's names.
        files: The file of each row.
        notes: What was assumed while reading, as sentences.
    """

    table: pd.DataFrame
    files: list[Path]
    notes: list[str]


def read_csv_manifest(source: Path) -> pd.DataFrame:
    """Return the table of `read_manifest` alone, with the usual columns and labels."""
    return read_manifest(source).table


def read_manifest(
    source: Path, columns: Mapping[str, str] | None = None, labels: LabelWords | None = None, sheet: str | None = None
) -> ManifestTable:
    """Read and check a table of images.

    Args:
        source: A CSV file or an Excel workbook with a header; see `magsig_tf.data.tables.read_table`.
        columns: For columns of `KNOWN` the name that the table has for them.
        labels: The words for the two classes.
        sheet: Name of the sheet of a workbook.

    Returns:
        The table, names as they are written. Columns that `prepare` measures itself (`width`, `sha256`, ...) are kept
        under the prefix `csv_`, since a table's word is not a measurement.

    Raises:
        UsageError: a column or sheet that was chosen is not there.
        DataError: no table, missing columns, no rows, a path that leaves the table's folder, an unknown label, a path
            twice, an empty field, a case with two labels.
    """
    labels = labels or LabelWords()
    read = read_table(source, KNOWN, required=REQUIRED, chosen=columns, sheet=sheet)
    listed = find_listed_files(read.frame["path"].tolist(), source.parent, read.where, source.name)
    table, notes = checked_rows(read, source.name, labels, listed.paths)
    order = table["path"].argsort(kind="stable")
    files = [listed.files[row] for row in order]
    notes = [*read.notes, *listed.notes, *notes]
    return ManifestTable(table.iloc[order].reset_index(drop=True), files, notes)


def checked_rows(read: Table, name: str, labels: LabelWords, paths: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Check the rows of a table of images, or of their embeddings.

    Args:
        read: The table, with the columns `label`, `magnification` and `case`.
        name: Name of the file that it was read from, for messages.
        labels: The words for the two classes.
        paths: The path of each row, as the manifest will name it.

    Returns:
        The rows in their order, names as they are written, `path` first; and what was assumed, as sentences.

    Raises:
        DataError: as `read_manifest`.
    """
    table = read.frame.rename(columns={column: f"csv_{column}" for column in OWN_COLUMNS})
    if table.empty:
        raise DataError(f"Expected rows in {name}", "found only a header", "Add one row per image")
    if not table.columns.is_unique:
        column = table.columns[table.columns.duplicated()][0]
        raise DataError(f"Expected each column once in {name}", f"found {column!r} twice", "Rename one of them")
    given = table["label"].tolist()
    table["label"] = labels.read(given, read.where, name)
    if "path" in table:
        table["path"] = list(paths)
    else:
        table.insert(0, "path", list(paths))
    unused = labels.unused(given)
    notes = [f"{name}: no image has the label {' or '.join(map(printable, unused))}"] if unused else []
    # names stay as they were written: `prepare` says how it read them
    names = with_site(plain_names(table))
    check_manifest(table.assign(**{str(column): names[column] for column in names}))
    return table, notes
