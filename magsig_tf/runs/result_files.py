"""Result tables on disk: tidy frames that one command writes and scripts and later commands read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.checksums import verified
from magsig_tf.data.plain_text import write_csv
from magsig_tf.errors import DataError
from magsig_tf.parquet_files import read_parquet, write_parquet


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
    files = [folder / f"{name}.csv", folder / f"{name}.parquet"] if name else []
    files += [csv_path] if csv_path is not None else []
    for path in files:
        if path.suffix == ".parquet" and path != csv_path:
            write_parquet(path, frame)
        else:
            with replacing(path) as temporary:
                write_csv(frame, temporary)
    return files


def read_result(path: Path, columns: tuple[str, ...], command: str) -> pd.DataFrame | None:
    """Read one table that an earlier command wrote; None where it is not there or empty.

    Args:
        path: The Parquet file.
        columns: Columns that it must have.
        command: What writes it anew.

    Raises:
        ChangedError: it is not what a command wrote, or no longer there.
        DataError: it is damaged or lacks a column.
    """
    if not verified(path, ours=True).is_file():
        return None
    try:
        frame = read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        reason = f"found {type(error).__name__}"
        raise DataError(f"Expected a readable table in {path}", reason, f"Repeat `{command}`") from error
    missing = [name for name in columns if name not in frame] if len(frame.columns) else []
    if missing:
        found = f"found no {missing[0]}"
        raise DataError(f"Expected {', '.join(columns)} in {path}", found, f"Repeat `{command}`")
    return frame if len(frame) else None


SIGNATURE_COMMAND = "magsig signatures --compare-folds"
DRAWS_COMMAND = f"{SIGNATURE_COMMAND} --bootstraps 50"
AXES = ("method", "config", "holdout", "patient_fold", "seed")
COLUMNS = {
    "signatures": (*AXES, "k", "p"),
    "signature_pairs": ("method", "config", "patient_fold", "seed", "first", "second", "jaccard", "expected"),
    "signature_predictions": (*AXES, "row", "case", "malignant", "probability"),
    "signature_draws": (*AXES, "draw", "k", "cases_benign", "cases_malignant"),
    "signature_pair_draws": (
        *("method", "config", "patient_fold", "seed", "first", "second", "draw", "jaccard"),
        *("cases_benign", "cases_malignant"),
    ),
}
"""The tables that claims read, and the columns that they need."""


@dataclass(frozen=True)
class SignatureResults:
    """Result tables of signatures; None where a file is not there.

    Args:
        sizes: One row per run: `AXES`, k and p.
        pairs: One row per pair of holdouts, patient fold and seed, with its Jaccard index and what chance gives.
        predictions: One row per run and test image: what the sparse classifier says.
        draws: One row per run and draw of training cases, all runs the same draws: k.
        pair_draws: One row per pair of holdouts, patient fold, seed and draw: the Jaccard index.
    """

    sizes: pd.DataFrame | None = field(repr=False)
    pairs: pd.DataFrame | None = field(repr=False)
    predictions: pd.DataFrame | None = field(repr=False)
    draws: pd.DataFrame | None = field(default=None, repr=False)
    pair_draws: pd.DataFrame | None = field(default=None, repr=False)


def read_signature_results(folder: Path, chosen: str = "") -> SignatureResults:
    """Read the tables from the results folder of a data set.

    Args:
        folder: The results folder of the data set.
        chosen: What tells the files of a part of the runs from those of all; empty reads those of all.

    Raises:
        ChangedError: a file is not what `magsig signatures` wrote.
        DataError: a file is damaged or lacks a column.
    """
    ending = f"{chosen and '-'}{chosen}.parquet"
    paths = {folder / f"{name}{ending}": columns for name, columns in COLUMNS.items()}
    return SignatureResults(*(read_result(path, columns, SIGNATURE_COMMAND) for path, columns in paths.items()))
