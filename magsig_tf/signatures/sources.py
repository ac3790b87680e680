"""Whose signatures are studied: finished runs, untrained encoders beside them, or files of another model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from magsig_tf.data.embeddings_file import Embeddings, read_embeddings
from magsig_tf.errors import DataError, UsageError
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.random_encoders import RandomEncoder, plan_random_encoders, random_features, training_rows_missing
from magsig_tf.runs.run import Run, run_name
from magsig_tf.workspace import Workspace

STRANGER = "embeddings"
UNTRAINED = "random-encoder"
_REMEDY = "Remove the run's folder and train it again"


@dataclass(frozen=True)
class Source:
    """One file of embeddings and what it belongs to.

    Args:
        path: The NPZ file; of an untrained encoder that of a run with the same split, whose rows are meant.
        method: Name of the method; "embeddings" for a file of another model, "random-encoder" for an untrained encoder.
        config: Hash of the config; empty for a file of another model and for an untrained encoder.
        label: What tables print for method and config.
        holdout: The magnification left out; for a file of another model its name without the ending.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        data: Content hash of the data set, or the name of the file; seeds the draws.
        features: File of an untrained encoder's embeddings, which take the place of the run's.
    """

    path: Path
    method: str
    config: str
    label: str
    holdout: str
    patient_fold: int
    seed: int
    data: str
    features: Path | None = None

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
            RunError: the file of an untrained encoder is damaged or of other data.
        """
        if self.method == STRANGER:
            return read_embeddings(self.path)
        embeddings = read_embeddings(self.path, _REMEDY)
        if self.features is None:
            return embeddings
        if embeddings.row is None:
            raise DataError(f"Expected the numbers of images (row) in {self.path}", "found none", _REMEDY)
        return replace(embeddings, embedding=random_features(self.features, self.data, embeddings.row))


def sources_of_runs(matrix: Matrix) -> list[Source]:
    """Return one source a finished run, ordered by group, holdout in natural order, patient fold and seed."""
    return [
        _source_of(run, group.method, group.config_hash, group.label)
        for group in matrix.groups
        for run in sorted(group.runs.values(), key=partial(_place, matrix))
    ]


def sources_of_random_encoders(matrix: Matrix, workspace: Workspace, dataset: str) -> tuple[list[Source], list[str]]:
    """Return an untrained encoder for every split and seed that has finished runs, in the order of `sources_of_runs`.

    Args:
        matrix: The finished runs.
        workspace: Where they lie.
        dataset: Name of their data set.

    Returns:
        The sources, and what is missing, in words.

    Raises:
        RunError: the file of an untrained encoder is damaged or of other data.
    """
    planned, absent = plan_random_encoders(matrix, workspace, dataset)
    absent += dict.fromkeys(filter(None, map(training_rows_missing, planned)))
    planned = [each for each in planned if not training_rows_missing(each)]
    labels = _labels(planned, matrix)
    planned.sort(key=lambda each: (labels[each.label, each.run.split_hash], *_place(matrix, each.run)))
    sources = [
        _source_of(each.run, UNTRAINED, "", labels[each.label, each.run.split_hash], each.path) for each in planned
    ]
    return sources, absent


def sources_of_files(paths: Sequence[Path]) -> list[Source]:
    """Return one source per file; each takes the place of a holdout.

    Raises:
        UsageError: two files have the same name.
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError("Expected files with different names", f"found {', '.join(names)}", "Rename one of them")
    return [Source(path, STRANGER, "", STRANGER, path.stem, 0, 0, path.stem) for path in paths]


def _place(matrix: Matrix, run: Run) -> tuple[int, int, int]:
    return matrix.holdouts.index(run.holdout), run.patient_fold, run.seed


def _source_of(run: Run, method: str, config: str, label: str, features: Path | None = None) -> Source:
    axes = (run.holdout, run.patient_fold, run.seed, run.dataset_hash)
    return Source(run.folder / "embeddings.npz", method, config, label, *axes, features)


def _labels(planned: Sequence[RandomEncoder], matrix: Matrix) -> dict[tuple[str, str], str]:
    """Return the label for each encoder and split: numbered where a patient fold was split in several ways.

    Untrained encoders have no config that would tell such splits apart, and only those of one way may be compared.
    """
    ways: list[set[str]] = []
    for group in matrix.groups:
        mine = {run.split_hash for run in group.runs.values()}
        ways = [way for way in ways if not way & mine] + [mine.union(*(way for way in ways if way & mine))]
    splits = defaultdict(set)
    for each in planned:
        splits[each.label, each.run.holdout, each.run.patient_fold].add(each.run.split_hash)
    several = {label for (label, *_), hashes in splits.items() if len(hashes) > 1}
    return {
        (each.label, each.run.split_hash): f"{each.label}, splits {number}" if each.label in several else each.label
        for each in planned
        for number, way in enumerate(ways, 1)
        if each.run.split_hash in way
    }
