"""The rows to probe of a study's finished runs, and of the controls beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.data.embeddings_file import Embeddings, read_embeddings
from magsig_tf.data.phantom.cases import INVARIANT_FACTORS
from magsig_tf.errors import RunError
from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.probes.probed_rows import ProbedRows
from magsig_tf.evaluation.runs import Run
from magsig_tf.workspace import Workspace

TESTED = ("test", "in_domain_test")
COLOURS = "colour mean and SD"
PIXEL_SIZE = "log_pixel_size"
_ZOOM = "digital-zoom of "
_REMEDY = "Remove the run's folder and train it again"


@dataclass(frozen=True)
class Known:
    """What the prepared data set knows of its images.

    Args:
        manifest: One row an image; None where the data set is gone.
        factors: Known factors by name, each of shape (images,).
    """

    manifest: pd.DataFrame | None
    factors: dict[str, np.ndarray]

    @classmethod
    def of(cls, folder: Path) -> Known:
        """Read what is there.

        Args:
            folder: `<workspace>/data/<dataset>`.
        """
        if not (folder / "manifest.parquet").exists():
            return cls(None, {})
        factors = {}
        if (folder / "truth.parquet").exists():
            truth = pd.read_parquet(folder / "truth.parquet")
            factors = {name: truth[name].to_numpy(float) for name in INVARIANT_FACTORS if name in truth}
            if "pixel_size_um" in truth:
                # magnifications are steps of a factor, so the logarithm is what a linear map can follow
                factors[PIXEL_SIZE] = np.log(truth["pixel_size_um"].to_numpy(float))
        return cls(pd.read_parquet(folder / "manifest.parquet"), factors)

    @property
    def colours(self) -> np.ndarray | None:
        """Colour means and standard deviations, shape (images, 6); None where they were not measured."""
        if self.manifest is None or not set(COLOUR_COLUMNS) <= set(self.manifest):
            return None
        return self.manifest[list(COLOUR_COLUMNS)].to_numpy(np.float32)

    def pictures(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        """Return the picture that each row was made from and whether it is a digital zoom of it."""
        if self.manifest is None or "origin" not in self.manifest:
            return None, None
        manifest = self.manifest.iloc[row]
        zoomed = manifest["origin"].str.startswith(_ZOOM).to_numpy(bool)
        source = manifest["origin"].where(zoomed, manifest["path"]).str.removeprefix(_ZOOM)
        return source.map(lambda path: PurePosixPath(path).name).to_numpy(str), zoomed


def run_rows(matrix: Matrix, known: Known) -> Iterator[ProbedRows]:
    """Yield the test rows of every run.

    Raises:
        DataError: a run's embeddings are missing or damaged.
        RunError: they speak of images that the data set does not have.
    """
    for group in matrix.groups:
        for run in group.runs.values():
            path = run.folder / "embeddings.npz"
            yield _rows(group.label, run, read_embeddings(path, _REMEDY).of(*TESTED), known, path)


def control_rows(matrix: Matrix, known: Known, workspace: Workspace, dataset: str) -> Iterator[ProbedRows]:
    """Yield the test rows of every split with the features of the controls in place of embeddings.

    The controls are the colours of the images, and each randomly initialised encoder that training has written.
    """
    seen = set()
    for run in (run for group in matrix.groups for run in group.runs.values()):
        split, encoder = (run.holdout, run.patient_fold, run.split_hash), run.info.get("encoder", "")
        wanted = {(COLOURS, 0, *split), (encoder, run.seed, *split)} - seen
        if not wanted:
            continue
        seen |= wanted
        path = run.folder / "embeddings.npz"
        embeddings = read_embeddings(path, _REMEDY).of(*TESTED)
        tested = replace(_rows("", run, embeddings, known, path), kind="control")
        for name, seed, *_ in sorted(wanted):
            if name == COLOURS:
                features = None if known.colours is None else known.colours[embeddings.row]
            else:
                stored = workspace.random_encoder(dataset, encoder, seed)
                features = _of_rows(stored, run.dataset_hash, embeddings.row) if stored.exists() else None
            subject = name if name == COLOURS else f"random {encoder}"
            if features is not None:
                yield replace(tested, subject=subject, seed=seed, embedding=features)


def absent_controls(matrix: Matrix, known: Known, workspace: Workspace, dataset: str) -> list[str]:
    """Return the controls that cannot be shown, each with the reason, in words."""
    runs = [run for group in matrix.groups for run in group.runs.values()]
    pairs = sorted({(run.info.get("encoder", ""), run.seed) for run in runs})
    absent = [
        f"random {encoder} seed {seed}: not written yet; the next run trained with it writes it"
        for encoder, seed in pairs
        if not workspace.random_encoder(dataset, encoder, seed).exists()
    ]
    if known.colours is None:
        absent.append(f"{COLOURS}: the prepared data set is gone or was prepared without them")
    return absent


def file_rows(embeddings: Embeddings, subject: str) -> ProbedRows:
    """Return the test rows of another model's embeddings.

    The source magnifications are those of its rows that are not `test`.

    Args:
        embeddings: From `read_embeddings`.
        subject: Label of the table row.
    """
    tested = embeddings.of(*TESTED)
    sources = np.unique(embeddings.magnification[embeddings.part != "test"])
    arrays = (tested.embedding, tested.label, tested.case, tested.magnification)
    return ProbedRows(subject, "", 0, *arrays, tuple(sources.tolist()), kind="file")


def _rows(subject: str, run: Run, tested: Embeddings, known: Known, path: Path) -> ProbedRows:
    if tested.row is None or not len(tested):
        raise RunError(f"Expected test rows and their numbers in {path}", "found none", _REMEDY)
    if known.manifest is not None and tested.row.max() >= len(known.manifest):
        raise RunError(
            f"Expected rows of a data set of {len(known.manifest)} images in {path}",
            f"found row {tested.row.max()}",
            _REMEDY,
        )
    picture, zoomed = known.pictures(tested.row)
    return ProbedRows(
        subject,
        run.holdout,
        run.seed,
        tested.embedding,
        tested.label,
        tested.case,
        tested.magnification,
        tuple(name for name in run.magnifications if name != run.holdout),
        picture,
        zoomed,
        {name: values[tested.row] for name, values in known.factors.items()},
    )


def _of_rows(path: Path, dataset_hash: str, row: np.ndarray) -> np.ndarray | None:
    """Return the control's features of the rows; None where the file is of other data or lacks one."""
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["dataset_hash"]) != dataset_hash:
            return None
        place = np.searchsorted(stored["row"], row)
        if (place >= len(stored["row"])).any() or (stored["row"][place] != row).any():
            return None
        return stored["embedding"][place]
