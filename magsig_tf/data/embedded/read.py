"""Embeddings of any model from the files that people have, joined to a table of what they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.data.embedded.columns import check_array_names
from magsig_tf.data.embedded.join import joined_rows, rows_of_file
from magsig_tf.data.embedded.numpy_files import read_npy_features, read_npz_features
from magsig_tf.data.embedded.parquet_features import read_parquet_cells, read_parquet_features
from magsig_tf.data.embedded.safetensors_arrays import read_safetensors_features
from magsig_tf.data.embedded.slides import H5_SUFFIXES, holds_slides, read_h5_features, read_slide_folder
from magsig_tf.data.embedded.stored import FoundEmbeddings, StoredArray, gathered, in_order, rows_in_block
from magsig_tf.data.embedded.text_features import has_feature_columns, read_text_features
from magsig_tf.data.embedded.values import as_floats, check_named_values, float_kind
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.sources.label_words import LabelWords
from magsig_tf.data.tables import Table, is_table, read_table, understood
from magsig_tf.errors import DataError, UsageError

PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt")
"""Files that only code from a stranger could open."""
ARRAY_FILES = (".npz", ".npy", ".safetensors", *H5_SUFFIXES)
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class EmbeddingFiles:
    """Embeddings and what they are of; the numbers stay on disk.

    Args:
        table: One row an embedding, sorted by path, every value a string: `path`, `label`, `magnification`, `case` and
            all other columns, names as they are written. As `magsig_tf.data.sources.csv_manifest.read_manifest`.
        length: Numbers in one embedding, p.
        dtype: float16 where the file has it, else float32.
        views: Embeddings of each image, V; the first is that of the plain image.
        notes: What was assumed while reading, as sentences.
        findings: Counts of `zero_rows`, `constant_dimensions` and `duplicated_rows`, see `check_values`.
        attributes: What the files say of themselves, such as the encoder, as short texts.
        files: Every file that was read, the manifest too.
    """

    table: pd.DataFrame
    length: int
    dtype: np.dtype
    views: int
    notes: list[str]
    findings: dict[str, int]
    attributes: dict[str, str]
    files: list[Path]
    _array: StoredArray
    _order: np.ndarray

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the embeddings in the order of the table, a bounded number at once.

        Yields:
            Rows of the table, and their embeddings, `dtype` [rows, views, length].
        """
        step = rows_in_block(self._array.shape)
        for start in range(0, len(self._order), step):
            rows = slice(start, min(start + step, len(self._order)))
            yield rows, as_floats(gathered(self._array, self._order[rows]), self.dtype)


def read_embedding_files(
    source: Path,
    manifest: Path | None = None,
    *,
    arrays: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    labels: LabelWords | None = None,
    sheet: str | None = None,
    spool: Path | None = None,
) -> EmbeddingFiles:
    """Read embeddings and join them to what they are of; all numbers are looked at once.

    Args:
        source: `.npz`, `.npy`, `.h5`, `.safetensors`, `.parquet`, a table with a column for each number, or a folder
            with one HDF5 file a slide.
        manifest: A table with `path`, `label`, `magnification` and `case`; None where the source says so itself.
        arrays: Names that the source has for `features`, `path` and `coords`; for columns the word before the numbers.
        columns: Names of columns of the manifest, or of the source without one, for columns of `KNOWN`.
        labels: The words for the two classes.
        sheet: Name of the sheet of a workbook.
        spool: Folder for a copy of embeddings that can be read from their beginning only; the system's for temporary
            files if not given.

    Raises:
        UsageError: a column or an array that was named is not there.
        DataError: something cannot be read or understood, the two do not belong together, or numbers are not finite.
    """
    labels = labels or LabelWords()
    found = find_embeddings(Path(source), arrays, None if manifest is not None else sheet, spool)
    if manifest is None:
        joined = rows_of_file(found, labels, columns)
    else:
        listed = read_listed(Path(manifest), columns, sheet, required=("label", "magnification", "case"))
        joined = joined_rows(found, listed, Path(manifest), labels)
    conversions, findings = check_named_values(found, joined.table["path"].tolist(), joined.order)
    _, views, length = found.array.shape
    return EmbeddingFiles(
        joined.table,
        length,
        float_kind(found.array.dtype, found.name),
        views,
        [*found.notes, *joined.notes, *conversions],
        findings,
        dict(found.attributes),
        [*found.files, *([Path(manifest)] if manifest is not None else [])],
        in_order(found.array, joined.order, spool),
        joined.order,
    )


def is_embedding_source(path: Path) -> bool:
    """Return whether a path is taken for embeddings; quick, and never raises.

    A Parquet file and files that cannot be read safely are; a folder is where HDF5 files lie in it, and a text table
    where its header has columns with running numbers.
    """
    try:
        if path.is_dir():
            return holds_slides(path)
        ending = path.suffix.lower()
        if ending in (*ARRAY_FILES, *PARQUET, *PICKLED):
            return path.is_file()
        return is_table(path) and has_feature_columns(path)
    except OSError:
        return False


def find_embeddings(
    source: Path, arrays: Mapping[str, str] | None, sheet: str | None, spool: Path | None
) -> FoundEmbeddings:
    """Return what a file or folder holds, before it is joined to anything.

    Args:
        source: As `read_embedding_files` takes it.
        arrays: As `read_embedding_files` takes them.
        sheet: As `read_embedding_files` takes it.
        spool: As `read_embedding_files` takes it.

    Raises:
        UsageError: the source does not exist, or an array that was named is not there.
        DataError: it is of another kind, or cannot be read.
    """
    named = check_array_names(arrays)
    if not source.exists():
        raise UsageError("Expected embeddings to read", f"found nothing at {source}", "Check the path")
    if source.is_dir():
        return read_slide_folder(source, named)
    ending = source.suffix.lower()
    if ending in PICKLED:
        raise _pickled(source)
    verified(source)
    if ending == ".npz":
        return read_npz_features(source, named, spool)
    if ending == ".npy":
        return read_npy_features(source)
    if ending == ".safetensors":
        return read_safetensors_features(source, named)
    if ending in H5_SUFFIXES:
        return read_h5_features(source, named)
    if ending in PARQUET:
        return read_parquet_features(source, named, spool)
    if is_table(source):
        return read_text_features(source, named.get("features"), sheet, spool)
    known = ", ".join((*ARRAY_FILES, PARQUET[0], ".csv"))
    raise DataError(f"Expected embeddings in one of {known}", f"found {source.name}", "Convert it to one of these")


def read_listed(
    path: Path, columns: Mapping[str, str] | None, sheet: str | None, *, required: Sequence[str] = ()
) -> Table:
    """Read the table that says what embeddings are of.

    Args:
        path: CSV, Excel or Parquet.
        columns: For columns of `KNOWN` the name that the table has for them.
        sheet: Name of the sheet of a workbook.
        required: Columns that it must have.

    Raises:
        UsageError: a column or sheet that was chosen is not there.
        DataError: it cannot be read, or lacks a column.
    """
    if path.suffix.lower() in PARQUET:
        return understood(read_parquet_cells(path), path.name, KNOWN, required=required, chosen=columns)
    return read_table(path, KNOWN, required=required, chosen=columns, sheet=sheet)


def _pickled(source: Path) -> DataError:
    """Return the refusal of a file that runs code when it is opened, with the lines that convert one's own."""
    expected = "Expected embeddings in a file that runs no code when it is opened"
    name = ascii(source.name)
    if source.suffix.lower() in (".pt", ".pth", ".ckpt"):
        lines = f"import numpy, torch; x = torch.load({name}, weights_only=True); "
        lines += "numpy.savez('embeddings.npz', features=x.float().numpy())"
    else:
        lines = f"import numpy, pickle; x = pickle.load(open({name}, 'rb')); "
        lines += "numpy.savez('embeddings.npz', features=numpy.asarray(x, 'float32'))"
    return DataError(expected, f"found {source.name}", f"Convert it where it was made, if it is yours: {lines}")
