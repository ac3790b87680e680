"""The embeddings of untrained encoders beside a study's runs, read from the files that training wrote once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magsig_tf.checksums import is_expected
from magsig_tf.config import ADAPTERS
from magsig_tf.errors import RunError, reading_remedy
from magsig_tf.npz_files import NpzError, read_npz
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.run import Run
from magsig_tf.workspace import Workspace

_AGAIN = "the next run trained with it writes it"


@dataclass(frozen=True)
class RandomEncoder:
    """The embeddings of an untrained encoder, to be read at the rows of one split.

    Args:
        label: What tables print.
        run: A run of that encoder, seed and split; its rows are meant.
        path: File that training wrote once for the encoder and seed.
    """

    label: str
    run: Run
    path: Path


def plan_random_encoders(matrix: Matrix, workspace: Workspace, dataset: str) -> tuple[list[RandomEncoder], list[str]]:
    """Return the untrained encoder of every split and seed with a finished run, once, however many methods have one.

    Args:
        matrix: The finished runs.
        workspace: Where they lie.
        dataset: Name of their data set.

    Returns:
        Those that training has written, and of the others what is missing, in words.
    """
    planned: dict[tuple, RandomEncoder] = {}
    absent: dict[str, None] = {}
    # an exact method reads frozen features, an adapter trained on them: no encoder was drawn for either
    groups = [group for group in matrix.groups if not group.seedless]
    runs = [run for group in groups for run in group.runs.values()]
    for run in (run for run in runs if run.record.encoder not in ADAPTERS):
        encoder = run.record.encoder or "encoder"
        label, path = f"random {encoder}", workspace.random_encoder(dataset, encoder, run.seed)
        if not path.exists():
            why = f"its file {path.name} is gone" if is_expected(path) else "not written yet"
            absent[f"{label} seed {run.seed}: {why}; {_AGAIN}"] = None
            continue
        key = (encoder, run.seed, run.holdout, run.patient_fold, run.split_hash)
        planned.setdefault(key, RandomEncoder(label, run, path))
    return list(planned.values()), list(absent)


def training_rows_missing(planned: RandomEncoder) -> str:
    """Return a note where the file has the tested rows alone, else an empty text.

    Versions that wrote it for the probes left out the cases that no split tests.

    Raises:
        RunError: the file is damaged or of other data.
    """
    rows, _ = _stored(planned.path, planned.run.dataset_hash)
    whole = np.isin(planned.run.part("validation")["row"], rows).all()
    return "" if whole else f"{planned.label} seed {planned.run.seed}: without training rows; {_AGAIN} whole"


def random_features(path: Path, dataset_hash: str, row: np.ndarray) -> np.ndarray:
    """Return a random encoder's features of some rows.

    Args:
        path: File that training wrote.
        dataset_hash: Content hash of the data set that the rows are of.
        row: Numbers of images, shape (n,).

    Returns:
        Finite float32, shape (n, p).

    Raises:
        RunError: the file is damaged, of other data, or lacks one of the rows.
    """
    rows, features = _stored(path, dataset_hash)
    place = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
    if not (rows[place] == row).all() or not np.isfinite(features).all():
        raise _damaged(path)
    return features[place]


def _stored(path: Path, dataset_hash: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a file, ascending, and their features."""
    try:
        stored = read_npz(path, ("dataset_hash", "row", "embedding"))
        found, rows, features = str(stored["dataset_hash"]), stored["row"], stored["embedding"]
        if found == dataset_hash and features.ndim == 2 and rows.shape == features.shape[:1] and features.size:
            return rows, features
    except (OSError, NpzError, KeyError, IndexError) as error:
        raise _damaged(path, error) from error
    raise _damaged(path)


def _damaged(path: Path, error: Exception | None = None) -> RunError:
    expected = f"Expected a random encoder's embeddings of this data set's rows in {path}"
    remedy = reading_remedy(error, "Move it aside; the next run trained with that encoder writes it again")
    return RunError(expected, "found a damaged file or one of other data", remedy)
