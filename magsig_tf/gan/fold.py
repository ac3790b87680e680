"""The GANs of one fold: which there are, which images each may see, where they lie, and what they drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from magsig_tf.checksums import read_signed_json, verified
from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import DataError, RunError, reading_remedy
from magsig_tf.execution.resumption import check_identity
from magsig_tf.execution.workers import Workers
from magsig_tf.models.gan_options import GanOptions, gan_hash
from magsig_tf.parquet_files import read_parquet
from magsig_tf.workspace import Workspace, folder_name

LABELS = ("benign", "malignant")
"""Names of the labels 0 and 1."""
ALL = ""
"""The magnification of a GAN that learns all source magnifications together."""
FEWEST_IMAGES = 16
"""Below this many training images a discriminator only memorises them."""
RECORD, IMAGES, TABLE = "fold.json", "synthetic.npy", "synthetic.parquet"
_AGAIN = "Move that folder aside and repeat"


@dataclass(frozen=True)
class Part:
    """One GAN of a fold.

    Args:
        label: 0 benign, 1 malignant.
        magnification: The source magnification it learns; `ALL` for all of them.
        rows: int64, the fold's training rows it may see, ascending.
    """

    label: int
    magnification: str
    rows: np.ndarray

    @property
    def title(self) -> str:
        """The GAN in words."""
        return f"{LABELS[self.label]} {self.magnification}".strip()

    @property
    def name(self) -> str:
        """Its folder's name, such as `malignant` or `benign-40X`."""
        return folder_name("-".join(filter(None, (LABELS[self.label], self.magnification))), "magnification")

    @property
    def about(self) -> dict[str, object]:
        """What tables say of it."""
        return {"part": self.name, "label": self.label, "magnification": self.magnification}

    def learns(self, label: np.ndarray, magnification: np.ndarray) -> np.ndarray:
        """Return which images are of its class and of a magnification that it learns, bool [n]."""
        return (label == self.label) & ((magnification == self.magnification) | (self.magnification == ALL))


@dataclass(frozen=True)
class FoldGans:
    """All GANs of one (holdout, patient fold) pair with one set of options.

    Args:
        folder: `<workspace>/gan/<dataset>/<holdout>/fold<k>-<hash>`.
        dataset: Name of the data set.
        split: The split whose training rows they see, and no others.
        dataset_hash: Content hash of the data set.
        options: Theirs.
        parts: Benign first, magnifications in natural order.
    """

    folder: Path
    dataset: str
    split: Split
    dataset_hash: str
    options: GanOptions
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, workspace: Workspace, config: Config, options: GanOptions, prepared: PreparedDataset) -> FoldGans:
        """Return the GANs that a run with this config draws from.

        Args:
            workspace: Where they lie.
            config: The config of one run.
            options: The options of the GANs.
            prepared: The data.

        Raises:
            DataError: a GAN would have too few training images.
            UsageError, DataError: as `make_split`.
        """
        settings, split = config.settings, split_of(config, prepared)
        name = f"fold{split.patient_fold}-{gan_hash(options, settings)}"
        folder = workspace.gan(prepared.name) / folder_name(split.holdout, "magnification") / name
        return cls(folder, prepared.name, split, prepared.content_hash, options, _parts(split, options, prepared))

    @property
    def title(self) -> str:
        """The fold in words."""
        return f"holdout {self.split.holdout}, patient fold {self.split.patient_fold}"

    @property
    def identity(self) -> dict[str, str]:
        """Hashes that every file of these GANs must carry."""
        return {"dataset_hash": self.dataset_hash, "split_hash": self.split.hash}

    def seed_names(self, part: Part) -> tuple[object, ...]:
        """Names that every draw of one GAN derives from."""
        return ("gan", self.split.hash, self.options.gan_seed, part.name)


def _parts(split: Split, options: GanOptions, prepared: PreparedDataset) -> tuple[Part, ...]:
    train = split.rows["train"]
    labels, magnifications = prepared.labels[train], prepared.manifest["magnification"].to_numpy()[train]
    parts = []
    for label in range(len(LABELS)):
        for magnification in split.source_magnifications if options.gan_per_magnification else (ALL,):
            part = Part(label, magnification, train)
            part = replace(part, rows=train[part.learns(labels, magnifications)])
            if len(part.rows) < FEWEST_IMAGES:
                raise DataError(
                    f"Expected at least {FEWEST_IMAGES} training images for the GAN {part.title}",
                    f"found {len(part.rows)} (holdout {split.holdout}, patient fold {split.patient_fold})",
                    "Leave out --per-magnification" if magnification else "Use fewer folds or data with more images",
                )
            parts.append(part)
    return tuple(parts)


@dataclass(frozen=True)
class TrainingImages:
    """Training images of a fold as its GANs saw them, with what the manifest says of each; n rows.

    Args:
        images: uint8 [n, s, s, 3], at the GAN's size.
        label: int64 [n], 0 benign, 1 malignant.
        magnification: Name of each one's magnification, [n].
        case: Name of each one's case, [n].
        path: As in the manifest, [n].
    """

    images: np.ndarray
    label: np.ndarray
    magnification: np.ndarray
    case: np.ndarray
    path: np.ndarray

    @classmethod
    def of(cls, prepared: PreparedDataset, rows: np.ndarray, images: np.ndarray) -> TrainingImages:
        """Return the images of some rows with their columns of the manifest.

        Args:
            prepared: The data.
            rows: int64 [n], the fold's training rows and no others.
            images: uint8 [n, s, s, 3], these rows at the GAN's size.
        """
        table = prepared.manifest.iloc[rows]
        columns = (table[name].to_numpy(str) for name in ("magnification", "case", "path"))
        return cls(images, prepared.labels[rows], *columns)

    def rows_of(self, part: Part) -> np.ndarray:
        """Return the positions of the images that one GAN saw, ascending."""
        return np.flatnonzero(part.learns(self.label, self.magnification))

    def of_rows(self, rows: np.ndarray) -> TrainingImages:
        """Return the images at some positions."""
        return TrainingImages(*(array[rows] for array in vars(self).values()))


@dataclass(frozen=True)
class PartSamples:
    """What one GAN drew.

    Args:
        part: The GAN.
        images: uint8 [m, s, s, 3].
    """

    part: Part
    images: np.ndarray


@dataclass(frozen=True)
class SyntheticImages:
    """What all GANs of a fold drew; N images.

    Args:
        images: uint8 [N, s, s, 3], mapped from disk.
        part: Name of the GAN of each, [N].
        label: int64 [N], 0 benign, 1 malignant.
        magnification: The source magnification that its GAN learned, [N]; "" where it learned all.
    """

    images: np.ndarray
    part: np.ndarray
    label: np.ndarray
    magnification: np.ndarray

    @classmethod
    def of(cls, fold: FoldGans, images: np.ndarray, part: Sequence[str]) -> SyntheticImages:
        """Return images with what the fold says of the GANs that drew them.

        Args:
            fold: The GANs.
            images: uint8 [N, s, s, 3].
            part: Name of the GAN of each, [N].
        """
        known = {each.name: each for each in fold.parts}
        label = np.array([known[name].label for name in part], np.int64)
        magnification = np.array([known[name].magnification for name in part], str)
        return cls(images, np.array(part, str), label, magnification)

    def __len__(self) -> int:
        return len(self.label)

    def positions(self, label: int, magnification: str) -> np.ndarray:
        """Return where the images of a class stand that can take the place of a real one at a magnification."""
        return np.flatnonzero((self.label == label) & np.isin(self.magnification, ["", magnification]))


def fold_status(fold: FoldGans) -> str:
    """Return `done`, `failed`, `running` or `new`.

    Raises:
        RunError: the folder holds GANs of another data set or split.
    """
    path = verified(fold.folder / RECORD)
    if not path.exists():
        return "new"
    record = read_signed_json(path)
    check_identity(record, fold.identity, fold.folder, "fold of GANs")
    return str(record.get("status", "new"))


def read_synthetic_images(fold: FoldGans) -> SyntheticImages:
    """Return the images of a finished fold.

    Args:
        fold: Its GANs.

    Raises:
        RunError: the GANs are not finished, belong to another data set or split, or their files do not fit together.
    """
    status = fold_status(fold)
    if status != "done":
        found = "found none" if status == "new" else f"found a folder that is {status}"
        raise RunError(f"Expected the GANs of {fold.title} in {fold.folder}", found, "Run `magsig gan` for that fold")
    size = fold.options.gan_size
    try:
        images = np.load(verified(fold.folder / IMAGES), mmap_mode="r", allow_pickle=False)
        table = read_parquet(fold.folder / TABLE, columns=["part", "label", "magnification"])
    except (OSError, ValueError, KeyError) as error:
        found = " ".join(str(error).split())
        remedy = reading_remedy(error, _AGAIN)
        raise RunError(f"Expected synthetic images in {fold.folder}", f"found: {found}", remedy) from error
    if images.dtype != np.uint8 or images.shape != (len(table), size, size, 3):
        raise RunError(
            f"Expected uint8 images of shape {(len(table), size, size, 3)} in {fold.folder / IMAGES}",
            f"found {images.dtype} {images.shape}",
            _AGAIN,
        )
    known = [part.name for part in fold.parts]
    strange = next((name for name in table["part"].unique() if name not in known), None)
    if strange is not None:
        raise RunError(f"Expected the parts {', '.join(known)} in {fold.folder / TABLE}", f"found {strange!r}", _AGAIN)
    return SyntheticImages.of(fold, images, table["part"].tolist())


def share_synthetic_images(fold: FoldGans, workers: Workers) -> SyntheticImages:
    """Return the images of a finished fold in every process; the chief alone reads them.

    Raises:
        RunError: as `read_synthetic_images`.
    """
    if workers.count == 1:
        return read_synthetic_images(fold)
    found: list[SyntheticImages] = []

    def read() -> list[str]:
        found.append(read_synthetic_images(fold))
        return found[0].part.tolist()

    part = workers.from_chief(read)
    size = fold.options.gan_size
    # no process can add bytes to those of another: TensorFlow reduces int32 and wider
    images = found[0].images if found else np.zeros((len(part), size, size, 3))
    (images,) = workers.share([images.astype(np.int32)])
    return SyntheticImages.of(fold, images.astype(np.uint8), part)
