"""Parquet files are read as pandas reads them, and without threads that outlive their work."""

import subprocess
import sys

import pandas as pd
import pytest

from magsig_tf.parquet_files import read_parquet, write_parquet

FRAME = pd.DataFrame(
    {
        "case": ["a", "b", None],
        "row": [3, 1, 2],
        "probability": [0.25, float("nan"), 1.0],
        "kept": [True, False, True],
        "sequence": pd.array([1, None, 3], dtype="Int64"),
    }
)

IN_A_PROCESS = """
import os, sys
from pathlib import Path
from magsig_tf.parquet_files import read_parquet
import pyarrow.parquet

def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
read_parquet(Path(sys.argv[1]))
print(threads() - before)
"""


def test_what_was_written_is_read_as_pandas_reads_it(tmp_path):
    write_parquet(tmp_path / "t.parquet", FRAME)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.parquet"), pd.read_parquet(tmp_path / "t.parquet"))
    chosen = ["row", "case"]
    pd.testing.assert_frame_equal(
        read_parquet(tmp_path / "t.parquet", chosen), pd.read_parquet(tmp_path / "t.parquet", columns=chosen)
    )


def test_what_is_no_table_or_lacks_a_column_is_told_apart(tmp_path):
    with pytest.raises(OSError, match=r"none\.parquet"):
        read_parquet(tmp_path / "none.parquet")
    FRAME.to_parquet(tmp_path / "t.parquet")  # without a checksum, which would tell first
    with pytest.raises(ValueError, match="no column 'slide'"):
        read_parquet(tmp_path / "t.parquet", ["case", "slide"])
    content = (tmp_path / "t.parquet").read_bytes()
    for damaged in (b"", b"PAR1", content[:60], content[:-5]):
        (tmp_path / "t.parquet").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"."):
            read_parquet(tmp_path / "t.parquet")


def test_no_thread_is_left_that_could_abort_a_finished_process(tmp_path):
    """A thread of Arrow that holds a Python file when the interpreter ends calls std::terminate: exit status 134."""
    write_parquet(tmp_path / "t.parquet", FRAME)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, tmp_path / "t.parquet"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
