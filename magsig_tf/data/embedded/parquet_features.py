"""Embeddings in Parquet files: a column of numbers for each dimension, or one column of lists."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf.data.embedded.columns import FEATURES
from magsig_tf.data.embedded.feature_columns import feature_columns
from magsig_tf.data.embedded.stored import FoundEmbeddings, check_shape, rows_in_block, spooled
from magsig_tf.data.embedded.values import float_kind
from magsig_tf.data.plain_text import printable
from magsig_tf.data.table_text import Cells
from magsig_tf.errors import DataError, in_one_line, reading_remedy
from magsig_tf.npz_files import LARGEST_RATIO, UNSUSPICIOUS
from magsig_tf.parquet_files import opened_parquet, parquet_batches

if TYPE_CHECKING:
    import pyarrow

_LONGEST_TEXT = 10_000
_ROWS = 2_000
_MOST_COLUMNS = 100_000


def read_parquet_features(path: Path, arrays: Mapping[str, str], spool: Path | None) -> FoundEmbeddings:
    """Read a Parquet file.

    Args:
        path: Columns of numbers with running names, or a column `features` (or another of `FEATURES`) of lists of one
            length; all others say what each embedding is of.
        arrays: `features`: the word in front of the numbers, or the name of the column.
        spool: Folder for embeddings that are too large for memory.

    Raises:
        DataError: it cannot be read, holds no embeddings, lists of different length, or nothing in a cell of them.
    """
    try:
        rows, lists, columns, kind, others = _described(path, arrays.get("features"))
        length = _length_of_lists(path, columns[0]) if lists else len(columns)
        shape = (rows, 1, length)
        check_shape(shape, path.name)
        _refuse_bomb(path, rows * length * kind.itemsize)
        step = min(_ROWS, rows_in_block(shape))
        array = spooled(shape, kind, _blocks(path, columns, lists, length, step), spool)
        cells = read_parquet_cells(path, others) if others else None
    except (OSError, ValueError, NotImplementedError) as error:
        raise _unreadable(path, error) from error
    return FoundEmbeddings(array, (path,), path.name, path.stem, str(kind), cells)


def read_parquet_cells(path: Path, columns: Sequence[str] | None = None) -> Cells:
    """Return columns of a Parquet file as the cells of a table; nothing where a value is missing.

    Args:
        path: The file.
        columns: Which; all if not given.

    Raises:
        DataError: it cannot be read, or a column holds neither texts nor numbers.
    """
    try:
        if columns is None:
            with opened_parquet(path) as parquet:
                columns = parquet.schema_arrow.names
        rows: list[list[str]] = [list(columns)]
        for batch in parquet_batches(path, columns, _ROWS):
            texts = [_texts(batch.column(name), f"{printable(name)[:60]} in {path.name}") for name in columns]
            rows += map(list, zip(*texts, strict=True))
    except (OSError, ValueError, NotImplementedError) as error:
        raise _unreadable(path, error) from error
    return Cells(rows, list(range(len(rows))), "row")


def _described(path: Path, chosen: str | None) -> tuple[int, bool, list[str], np.dtype, list[str]]:
    """Return rows, whether embeddings are lists, their columns, their kind of numbers, and the other columns."""
    import pyarrow.types as types

    with opened_parquet(path) as parquet:
        schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
    names = schema.names
    if len(set(names)) < len(names) or len(names) > _MOST_COLUMNS:
        found = "found one twice" if len(set(names)) < len(names) else f"found {len(names):,}"
        raise DataError(f"Expected each column once in {path.name}, and at most {_MOST_COLUMNS:,}", found, "")
    in_lists = [
        field.name
        for field in schema
        if (types.is_list(field.type) or types.is_large_list(field.type) or types.is_fixed_size_list(field.type))
        and (types.is_floating(field.type.value_type) or types.is_integer(field.type.value_type))
    ]
    usual = [name for name in in_lists if name == chosen or (chosen is None and name in FEATURES)] or (
        in_lists if chosen is None and len(in_lists) == 1 else []
    )
    if usual:
        kind = np.dtype(schema.field(usual[0]).type.value_type.to_pandas_dtype())
        columns = usual[:1]
    else:
        numeric = [each.name for each in schema if types.is_floating(each.type) or types.is_integer(each.type)]
        columns = feature_columns(numeric, chosen, path.name)
        kind = np.result_type(*{np.dtype(schema.field(name).type.to_pandas_dtype()) for name in columns})
    float_kind(kind, path.name)
    return rows, bool(usual), columns, kind, [name for name in names if name not in {*columns, *in_lists}]


def _length_of_lists(path: Path, column: str) -> int:
    batch = next(parquet_batches(path, [column], 1), None)
    if batch is None or batch.column(0).null_count:
        raise DataError(f"Expected a list of numbers in each row of {path.name}", "found none in the first row", "")
    return len(batch.column(0)[0])


def _blocks(path: Path, columns: Sequence[str], lists: bool, length: int, step: int) -> Iterator[np.ndarray]:
    passed = 0
    for batch in parquet_batches(path, columns, step):
        for name in columns:
            column = batch.column(name)
            if column.null_count:
                where = f"row {passed + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))}"
                expected = f"Expected a number as {printable(name)[:60]} in every row of {path.name}"
                raise DataError(expected, f"found nothing in {where}", "Correct it or leave the row out")
        if lists:
            yield _from_lists(batch.column(columns[0]), length, passed, path.name)
        else:
            yield np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in columns], 1)
        passed += batch.num_rows


def _from_lists(column: pyarrow.Array, length: int, passed: int, name: str) -> np.ndarray:
    lengths = np.array([len(each) for each in column])
    if (lengths != length).any():
        at = int(np.argmax(lengths != length))
        expected = f"Expected {length:,} numbers in every row of {name}, as in the first"
        raise DataError(expected, f"found {lengths[at]:,} in row {passed + at}", "Pass embeddings of one encoder")
    values = column.flatten()
    if values.null_count:
        expected = f"Expected numbers alone in every row of {name}"
        raise DataError(expected, f"found {values.null_count:,} missing ones", "Correct or leave out these rows")
    return values.to_numpy(zero_copy_only=False).reshape(len(column), length)


def _texts(column: pyarrow.Array, name: str) -> list[str]:
    import pyarrow.types as types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_nested(kind):
        raise DataError(f"Expected texts or numbers as {name}", f"found {kind}", "Leave that column out")
    return [_text(value, name) for value in column.to_pylist()]


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if isinstance(value, datetime.datetime | datetime.date):
        text = value.isoformat()
    if len(text) > _LONGEST_TEXT:
        raise DataError(f"Expected texts of at most {_LONGEST_TEXT:,} letters as {name}", f"found {len(text):,}", "")
    return text.strip()


def _refuse_bomb(path: Path, nbytes: int) -> None:
    packed = path.stat().st_size
    if nbytes > UNSUSPICIOUS and nbytes > LARGEST_RATIO * packed:
        found = f"found {nbytes:,} bytes declared and {packed:,} in the file, as no real one has"
        raise DataError(f"Expected a whole Parquet file: {path.name}", found, "Write it anew")


def _unreadable(path: Path, error: Exception) -> DataError:
    found = f"found: {in_one_line(error)[:200]}"
    return DataError(f"Expected a readable Parquet file: {path.name}", found, reading_remedy(error, "Write it anew"))
