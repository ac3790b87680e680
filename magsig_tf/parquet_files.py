"""Tables in Parquet files, written whole or not at all, with a checksum, and read without threads of Arrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.checksums import signing, verified

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index to `path`, whole or not at all, and its checksum beside it."""
    with signing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table by this thread alone.

    `pandas.read_parquet` hands a Python file to threads of Arrow. One of them may still hold it when the interpreter
    ends, and then aborts a process that had done its work (apache/arrow#34314).

    Args:
        path: A Parquet file.
        columns: Columns to read; None means all.

    Returns:
        The table, its columns in the order of `columns` where they are given.

    Raises:
        ChangedError: it is not what magsig wrote there.
        OSError: the file cannot be read.
        ValueError: it is no Parquet file (pyarrow's `ArrowInvalid`), or lacks a column.
    """
    with opened_parquet(path) as parquet:
        lacking = sorted(set(columns or ()) - set(parquet.schema_arrow.names))
        if lacking:
            raise ValueError(f"no column {lacking[0]!r}")
        frame = parquet.read(columns=columns, use_threads=False).to_pandas(use_threads=False)
    return frame if columns is None else frame[list(columns)]


def parquet_batches(path: Path, columns: Sequence[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of some columns from the beginning, so many at once; raises as `read_parquet` does."""
    with opened_parquet(path) as parquet:
        yield from parquet.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)


@contextlib.contextmanager
def opened_parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Yield a Parquet file, of which nothing but the description has been read; raises as `read_parquet` does."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.OSFile(str(verified(path))) as file:
        yield pyarrow.parquet.ParquetFile(file, pre_buffer=False)
