"""Tidy frames on disk, for scripts and for later steps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.evaluation.summary.frame import Summary
from magsig_tf.workspace import Workspace


def write_tables(
    summary: Summary, workspace: Workspace, name: str = "summary", csv_path: Path | None = None
) -> list[Path]:
    """Write the tidy frame as CSV and Parquet to the results folder of its data set.

    Args:
        summary: What to write.
        workspace: Its results folder receives `<dataset>/<name>.csv` and `.parquet`.
        name: Name of these two files without their ending; empty writes none of them.
        csv_path: Another place for the CSV, in addition.

    Returns:
        The files written.
    """
    return write_frame(summary.table, workspace.results() / summary.dataset, name, csv_path)


def write_frame(frame: pd.DataFrame, folder: Path, name: str, csv_path: Path | None = None) -> list[Path]:
    """Write one frame as CSV and Parquet.

    Args:
        frame: What to write.
        folder: Receives `<name>.csv` and `<name>.parquet`.
        name: Name of these two files without their ending; empty writes none of them.
        csv_path: Another place for the CSV, in addition.

    Returns:
        The files written.
    """
    written = []
    for path in [folder / f"{name}.csv" if name else None, csv_path]:
        if path is not None:
            with replacing(path) as temporary:
                frame.to_csv(temporary, index=False)
            written.append(path)
    if name:
        path = folder / f"{name}.parquet"
        with replacing(path) as temporary:
            frame.to_parquet(temporary, index=False)
        written.insert(1, path)
    return written
