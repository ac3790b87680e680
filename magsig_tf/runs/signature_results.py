"""The tables that `magsig signatures --compare-folds` wrote, as claims read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.runs.result_files import read_result

SIGNATURE_COMMAND = "magsig signatures --compare-folds"
AXES = ("method", "config", "holdout", "patient_fold", "seed")
COLUMNS = {
    "signatures": (*AXES, "k", "p"),
    "signature_pairs": ("method", "config", "patient_fold", "seed", "first", "second", "jaccard", "expected"),
    "signature_predictions": (*AXES, "row", "case", "malignant", "probability"),
}
"""The tables that claims read, and the columns that they need."""


@dataclass(frozen=True)
class SignatureResults:
    """Result tables of signatures; None where a file is not there.

    Args:
        sizes: One row per run: `AXES`, k and p.
        pairs: One row per pair of holdouts, patient fold and seed, with its Jaccard index and what chance gives.
        predictions: One row per run and test image: what the sparse classifier says.
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
    return SignatureResults(
        *(read_result(folder / f"{name}{ending}", columns, SIGNATURE_COMMAND) for name, columns in COLUMNS.items())
    )
