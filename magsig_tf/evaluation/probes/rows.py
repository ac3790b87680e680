"""The rows to probe of a study's finished runs, and of the controls beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.data.embeddings_file import Embeddings, read_embeddings
from magsig_tf.data.phantom.cases import INVARIANT_FACTORS
from magsig_tf.errors import DataError, RunError
from magsig_tf.npz_files import map_npy
from magsig_tf.parquet_files import read_parquet
from magsig_tf.reasons import NO_SOURCE_MAGNIFICATION, ORIGIN_CONFOUNDED, ZOOMS_APART, Reason
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.random_encoders import RandomEncoder, plan_random_encoders, random_features
from magsig_tf.runs.run import Run
from magsig_tf.workspace import Workspace

SOURCES, ALL = "source", "all"
SCOPES = (SOURCES, ALL)
"""Rows at the source magnifications, and rows at every magnification, the holdout too."""
NO_SOURCES = Reason(NO_SOURCE_MAGNIFICATION, "no source magnification is known")
CONFOUNDED = Reason(ORIGIN_CONFOUNDED, "origin confounded")
APART = Reason(ZOOMS_APART, "zooms are never compared with their own source")


@dataclass(frozen=True)
class ProbedRows:
    """The test rows of one embedding.

    Args:
        subject: Label of the table row: a method or a control.
        holdout: The magnification left out in training; empty where none is known.
        seed: Seed of the run; 0 for a control that has none.
        embedding: Frozen features, shape (n, p).
        label: 0 or 1, shape (n,).
        case: Name of each row's case, shape (n,).
        magnification: Shape (n,).
        sources: The source magnifications.
        picture: What each row was made from, shape (n,), shared by a digital zoom and its source; None where unknown.
        zoomed: Whether each row is a digital zoom, shape (n,); None where unknown.
        factors: Known factors by name, each of shape (n,).
        kind: "method", "control", or "file" for another model's embeddings.
    """

    subject: str
    holdout: str
    seed: int
    embedding: np.ndarray = field(repr=False)
    label: np.ndarray = field(repr=False)
    case: np.ndarray = field(repr=False)
    magnification: np.ndarray = field(repr=False)
    sources: tuple[str, ...]
    picture: np.ndarray | None = field(default=None, repr=False)
    zoomed: np.ndarray | None = field(default=None, repr=False)
    factors: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    kind: str = "method"

    def within(self, scope: str) -> ProbedRows:
        """Return the rows of a scope: "source" or "all"."""
        if scope == ALL:
            return self
        kept = np.isin(self.magnification, self.sources)
        names = ("embedding", "label", "case", "magnification", "picture", "zoomed")
        known = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        arrays: dict[str, Any] = {name: values[kept] for name, values in known.items()}
        return replace(self, **arrays, factors={name: values[kept] for name, values in self.factors.items()})


TESTED = ("test", "in_domain_test")
AT_SOURCES = ("train", "validation", "in_domain_test")
"""Parts whose rows lie at source magnifications."""
COLOURS = "colour mean and SD"
GIVEN = "embeddings as given"
"""Of a data set of embeddings: what the magnification probe finds before any method has changed them."""
PIXEL_SIZE = "log_pixel_size"


@dataclass(frozen=True)
class KnownControl:
    """What is known of every row of the data set, whatever was trained, to be read at the test rows of one split.

    Args:
        label: COLOURS or GIVEN.
        run: A run of that split.
    """

    label: str
    run: Run


Control = KnownControl | RandomEncoder
_ZOOM = "digital-zoom of "
_REMEDY = "Move the run's folder aside and train it again"


@dataclass(frozen=True)
class Known:
    """What the prepared data set knows of its images.

    Args:
        manifest: One row an image; None where the data set is gone.
        factors: Known factors by name, each of shape (images,).
        embeddings: Of the plain images, shape (images, views, p), mapped from disk; None for a data set of images.
    """

    manifest: pd.DataFrame | None
    factors: dict[str, np.ndarray]
    embeddings: np.ndarray | None = None

    @classmethod
    def of(cls, folder: Path) -> Known:
        """Read what is there.

        Args:
            folder: `<workspace>/data/<dataset>`.
        """
        if not verified(folder / "manifest.parquet").exists():
            return cls(None, {})
        factors = {}
        if verified(folder / "truth.parquet").exists():
            truth = read_parquet(folder / "truth.parquet")
            factors = {name: truth[name].to_numpy(float) for name in INVARIANT_FACTORS if name in truth}
            if "pixel_size_um" in truth:
                # magnifications are steps of a factor, so the logarithm is what a linear map can follow
                factors[PIXEL_SIZE] = np.log(truth["pixel_size_um"].to_numpy(float))
        path = verified(folder / "embeddings.npy")
        embeddings = map_npy(path) if path.exists() else None
        return cls(read_parquet(folder / "manifest.parquet"), factors, embeddings)

    @property
    def colours(self) -> np.ndarray | None:
        """Colour means and standard deviations, shape (images, 6); None where they were not measured."""
        if self.manifest is None or not set(COLOUR_COLUMNS) <= set(self.manifest):
            return None
        return self.manifest[list(COLOUR_COLUMNS)].to_numpy(np.float32)

    def pictures(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        """Return the picture that each row was made from and whether it is a digital zoom of it."""
        return (self._pictures[0][row], self._pictures[1][row]) if self._pictures else (None, None)

    @cached_property
    def _pictures(self) -> tuple[np.ndarray, np.ndarray] | None:
        if self.manifest is None or "origin" not in self.manifest:
            return None
        paths, origin = self.manifest["path"], self.manifest["origin"]
        zoomed = origin.str.startswith(_ZOOM).to_numpy(bool)
        picture = paths.where(~zoomed, origin.str.removeprefix(_ZOOM))
        # an origin may give a file without its folder; the names of other files may well repeat from folder to folder
        loose = {_name(file) for file in set(picture[zoomed]) - set(paths)}
        return picture.map(lambda file: _name(file) if _name(file) in loose else file).to_numpy(str), zoomed


def _name(file: str) -> str:
    return PurePosixPath(file).name


def run_rows(matrix: Matrix, known: Known) -> Iterator[ProbedRows]:
    """Yield the test rows of every run.

    Raises:
        DataError: a run's embeddings are missing or damaged.
        RunError: they speak of images that the data set does not have.
    """
    for group in matrix.groups:
        for run in group.runs.values():
            yield _rows(group.label, run, known)[0]


def plan_controls(matrix: Matrix, known: Known, workspace: Workspace, dataset: str) -> tuple[list[Control], list[str]]:
    """Return the controls of every split, once each, and those that cannot be shown, with the reason in words.

    The controls are the colours of the images, and the encoder of each run with random weights, where training has
    written its embeddings; of a data set of embeddings these as they are, since no encoder is trained on it.
    """
    labels, encoders, absent = list[str](), list[RandomEncoder](), list[str]()
    if known.embeddings is None:
        encoders, absent = plan_random_encoders(matrix, workspace, dataset)
    else:
        labels.append(GIVEN)
    if known.colours is None:
        absent.insert(0, f"{COLOURS}: the prepared data set is gone or was prepared without them")
    else:
        labels.append(COLOURS)
    splits: dict[tuple, Run] = {}
    for run in (run for group in matrix.groups for run in group.runs.values()):
        splits.setdefault((run.holdout, run.patient_fold, run.split_hash), run)
    return [*(KnownControl(label, run) for label in labels for run in splits.values()), *encoders], absent


def control_rows(controls: Iterable[Control], known: Known) -> Iterator[ProbedRows]:
    """Yield the test rows of each control's run, with the control's features in place of embeddings.

    Raises:
        DataError: the embeddings of a run are missing or damaged.
        RunError: those of a random encoder are damaged or of other data.
    """
    for control in controls:
        tested, row = _rows(control.label, control.run, known)
        if isinstance(control, RandomEncoder):
            features, seed = random_features(control.path, control.run.dataset_hash, row), control.run.seed
        elif control.label == GIVEN:
            assert known.embeddings is not None, "planned where they are known"
            features, seed = known.embeddings[row, 0].astype(np.float32), 0
        else:
            assert known.colours is not None, "planned where they are known"
            features, seed = known.colours[row], 0
        yield replace(tested, kind="control", seed=seed, embedding=features)


def file_rows(embeddings: Embeddings, subject: str) -> ProbedRows:
    """Return the test rows of another model's embeddings.

    The source magnifications are those of its rows that belong to sources: train, validation, in_domain_test. Rows of
    `validation_holdout` lie at the holdout, as those of `test` do.

    Args:
        embeddings: From `read_embeddings`.
        subject: Label of the table row.

    Raises:
        DataError: it has no test rows.
    """
    tested = embeddings.of(*TESTED)
    if not len(tested):
        raise DataError(f"Expected rows of the split test or in_domain_test in {subject}", "found none", "Add some")
    sources = np.unique(embeddings.of(*AT_SOURCES).magnification)
    arrays = (tested.embedding, tested.label, tested.case, tested.magnification)
    return ProbedRows(subject, "", 0, *arrays, tuple(sources.tolist()), kind="file")


def _rows(subject: str, run: Run, known: Known) -> tuple[ProbedRows, np.ndarray]:
    """Return the test rows of a run, and their places in the manifest."""
    path = run.folder / "embeddings.npz"
    tested = read_embeddings(path, _REMEDY).of(*TESTED)
    if tested.row is None or not len(tested):
        raise RunError(f"Expected test rows and their numbers in {path}", "found none", _REMEDY)
    if known.manifest is not None and tested.row.max() >= len(known.manifest):
        expected = f"Expected rows of a data set of {len(known.manifest)} images in {path}"
        raise RunError(expected, f"found row {tested.row.max()}", _REMEDY)
    arrays = (tested.embedding, tested.label, tested.case, tested.magnification)
    sources = tuple(name for name in run.magnifications if name != run.holdout)
    factors = {name: values[tested.row] for name, values in known.factors.items()}
    picture, zoomed = known.pictures(tested.row)
    return ProbedRows(subject, run.holdout, run.seed, *arrays, sources, picture, zoomed, factors), tested.row
