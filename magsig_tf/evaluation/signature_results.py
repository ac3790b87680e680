"""The tables that `magsig signatures --compare-folds` wrote, as claims read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.errors import DataError

SIGNATURE_COMMAND = "magsig signatures --compare-folds"
AXES = ("method", "config", "holdout", "patient_fold", "seed")
_COLUMNS = {
    "signatures": (*AXES, "k", "p"),
    "signature_pairs": ("method", "config", "patient_fold", "seed", "first", "second", "jaccard", "expected"),
    "signature_predictions": (*AXES, "row", "case", "malignant", "probability"),
}


@dataclass(frozen=True)
class SignatureResults:
    """Result tables of signatures; None where a file is not there.

    Args:
        sizes: One row a run: `AXES`, k and p.
        pairs: One row a pair of holdouts, patient fold and seed, with its Jaccard index and what chance gives.
        predictions: One row a run and test image: what the sparse classifier says.
    """

    sizes: pd.DataFrame | None = field(repr=False)
    pairs: pd.DataFrame | None = field(repr=False)
    predictions: pd.DataFrame | None = field(repr=False)


def read_signature_results(folder: Path, chosen: str = "") -> SignatureResults:
    """Read the tables from the results folder of a data set.

    Args:
        folder: The results folder of the data set.
        chosen: What tells the files of a part of the runs from those of all; empty reads those of all.

    Raises:
        DataError: a file is damaged or lacks a column.
    """
    ending = f"{chosen and '-'}{chosen}.parquet"
    return SignatureResults(*(_read(folder / f"{name}{ending}", columns) for name, columns in _COLUMNS.items()))


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        reason = f"found {type(error).__name__}"
        raise DataError(f"Expected a readable table in {path}", reason, f"Repeat `{SIGNATURE_COMMAND}`") from error
    missing = [name for name in columns if name not in frame] if len(frame.columns) else []
    if missing:
        found = f"found no {missing[0]}"
        raise DataError(f"Expected {', '.join(columns)} in {path}", found, f"Repeat `{SIGNATURE_COMMAND}`")
    return frame if len(frame) else None
