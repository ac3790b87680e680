"""Tables in Parquet files, written whole or not at all and read without threads of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index to `path`, whole or not at all."""
    with replacing(path) as temporary:
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
        OSError: the file cannot be read.
        ValueError: it is no Parquet file (pyarrow's `ArrowInvalid`), or lacks a column.
    """
    import pyarrow
    import pyarrow.parquet

    with pyarrow.OSFile(str(path)) as file:
        parquet = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        lacking = sorted(set(columns or ()) - set(parquet.schema_arrow.names))
        if lacking:
            raise ValueError(f"no column {lacking[0]!r}")
        frame = parquet.read(columns=columns, use_threads=False).to_pandas(use_threads=False)
    return frame if columns is None else frame[list(columns)]
