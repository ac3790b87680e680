"""Whose signatures are studied: finished runs, or files of another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.data.embeddings_file import Embeddings, read_embeddings
from magsig_tf.errors import UsageError
from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.runs import run_name

STRANGER = "embeddings"


@dataclass(frozen=True)
class Source:
    """One file of embeddings and what it belongs to.

    Args:
        path: The NPZ file.
        method: Name of the method; "embeddings" for a file of another model.
        config: Hash of the config; empty for a file of another model.
        label: What tables print for method and config.
        holdout: The magnification left out; for a file of another model its name without the ending.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        data: Content hash of the data set, or the name of the file; seeds the draws.
    """

    path: Path
    method: str
    config: str
    label: str
    holdout: str
    patient_fold: int
    seed: int
    data: str

    @property
    def name(self) -> str:
        """The source in words, as notes write it."""
        if self.method == STRANGER:
            return self.path.name
        return run_name(self.label, self.holdout, self.patient_fold, self.seed)

    @property
    def columns(self) -> dict[str, object]:
        """What every table says of the source."""
        names = ("method", "config", "label", "holdout", "patient_fold", "seed")
        return {name: getattr(self, name) for name in names}

    def read(self) -> Embeddings:
        """Read and check its embeddings.

        Raises:
            DataError: the file is missing, damaged, or not as documented.
        """
        if self.method == STRANGER:
            return read_embeddings(self.path)
        return read_embeddings(self.path, "Remove the run's folder and train it again")


def sources_of_runs(matrix: Matrix) -> list[Source]:
    """Return one source a finished run, ordered by group, holdout in natural order, patient fold and seed."""
    return [
        Source(
            run.folder / "embeddings.npz",
            group.method,
            group.config_hash,
            group.label,
            run.holdout,
            run.patient_fold,
            run.seed,
            run.dataset_hash,
        )
        for group in matrix.groups
        for run in sorted(
            group.runs.values(), key=lambda run: (matrix.holdouts.index(run.holdout), run.patient_fold, run.seed)
        )
    ]


def sources_of_files(paths: Sequence[Path]) -> list[Source]:
    """Return one source a file; each takes the place of a holdout.

    Raises:
        UsageError: two files have the same name.
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError("Expected files with different names", f"found {', '.join(names)}", "Rename one of them")
    return [Source(path, STRANGER, "", STRANGER, path.stem, 0, 0, path.stem) for path in paths]
