"""The summary on disk, for scripts and for later steps."""

from __future__ import annotations

from pathlib import Path

from magsig_tf.atomic_files import replacing
from magsig_tf.evaluation.summary import Summary
from magsig_tf.workspace import Workspace


def write_tables(summary: Summary, workspace: Workspace, csv_path: Path | None = None) -> list[Path]:
    """Write the tidy frame as CSV and Parquet to the results folder of its data set.

    Args:
        summary: What to write.
        workspace: Its results folder receives `<dataset>/summary.csv` and `.parquet`.
        csv_path: Another place for the CSV, in addition.

    Returns:
        The files written.
    """
    folder = workspace.results() / summary.dataset
    csv_paths = [folder / "summary.csv", *([csv_path] if csv_path else [])]
    for path in csv_paths:
        with replacing(path) as temporary:
            summary.table.to_csv(temporary, index=False)
    parquet = folder / "summary.parquet"
    with replacing(parquet) as temporary:
        summary.table.to_parquet(temporary, index=False)
    return [csv_paths[0], parquet, *csv_paths[1:]]
