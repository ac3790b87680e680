"""A prepared data set: its manifest, and in the same order its images or its embeddings, in a folder on disk.

Row i of `manifest.parquet` belongs to image i of `images.npy`, or to embedding i of `embeddings.npy`; `dataset.json`
says the rest.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd

from magsig_tf.checksums import read_signed_json, verified
from magsig_tf.errors import DataError, UsageError, in_one_line, reading_remedy
from magsig_tf.parquet_files import read_parquet

IMAGES, EMBEDDINGS = "images", "embeddings"
_REMEDY = "Repeat `magsig prepare` with --overwrite"
_KINDS: dict[str, type] = {"name": str, "content_hash": str, "magnifications": list}


class Inputs(Protocol):
    """What a network gets of each row, read by row numbers: pixels or a plain embedding."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the values of rows, [n, ...]."""


@dataclass(frozen=True, kw_only=True)
class Dataset(abc.ABC):
    """What images and embeddings have in common; nothing but the manifest is in memory.

    Args:
        name: Name of the data set.
        folder: Where it lies.
        manifest: One row per image, index 0..N-1 (see docs/data.md).
        content_hash: 64 hex digits; the same wherever the data came from.
        magnifications: In their natural order.
        info: The whole of dataset.json.
    """

    data: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ("path", "label", "magnification", "case", "slide", "pixel_sha256")
    sizes: ClassVar[tuple[str, ...]]
    dtypes: ClassVar[tuple[type, ...]]

    name: str
    folder: Path
    manifest: pd.DataFrame
    content_hash: str
    magnifications: list[str]
    info: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a data set of this kind.

        Args:
            folder: `<workspace>/data/<name>`.

        Raises:
            UsageError: it is of the other kind.
            DataError: it is not there, not finished, or its files do not belong together.
            ChangedError: a file is not what wrote it.
        """
        return cls._opened(Path(folder), read_info(folder))

    @classmethod
    def _opened(cls, folder: Path, info: dict[str, Any]) -> Self:
        if (found := data_of(info)) != cls.data:
            raise _of_the_other(cls.data, found, folder.name)
        try:
            manifest = read_parquet(folder / "manifest.parquet")
            array = np.load(verified(folder / f"{cls.data}.npy"), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError) as error:
            remedy = reading_remedy(error, _REMEDY)
            raise DataError(f"Expected a whole data set in {folder}", f"found: {in_one_line(error)}", remedy) from error
        if missing := [column for column in cls.columns if column not in manifest]:
            expected = f"Expected the columns {', '.join(cls.columns)} in {folder / 'manifest.parquet'}"
            raise DataError(expected, f"found no {missing[0]!r}", _REMEDY)
        shape = (len(manifest), *cls._shape(info))
        if array.shape != shape or array.dtype not in cls.dtypes:
            expected = (
                f"Expected {' or '.join(kind.__name__ for kind in cls.dtypes)} {cls.data} of shape {shape} in {folder}"
            )
            raise DataError(expected, f"found {array.dtype} {array.shape}", _REMEDY)
        facts = {key: info[key] for key in (*_KINDS, *cls.sizes)}
        return cls(folder=folder, manifest=manifest, info=info, **{cls.data: array}, **facts)

    @property
    def array(self) -> np.memmap:
        """What training batches are drawn from: `images` or `embeddings`."""
        return getattr(self, self.data)

    @property
    @abc.abstractmethod
    def inputs(self) -> Inputs:
        """What a network gets of each row outside training."""

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels, int64 [N]: 0 benign, 1 malignant."""
        return (self.manifest["label"] == "malignant").to_numpy(np.int64)

    @cached_property
    def cases(self) -> np.ndarray:
        """Index of each image's case in the sorted case names, int32 [N]."""
        return np.unique(self.manifest["case"].to_numpy(str), return_inverse=True)[1].astype(np.int32)

    @cached_property
    def truth(self) -> pd.DataFrame | None:
        """What is known beyond the manifest (phantom), in the manifest's row order; None where there is nothing."""
        path = verified(self.folder / "truth.parquet")
        return read_parquet(path) if path.exists() else None

    @classmethod
    @abc.abstractmethod
    def _shape(cls, info: dict[str, Any]) -> tuple[int, ...]:
        """Return the shape of one row of the array, by what dataset.json says."""


@dataclass(frozen=True, kw_only=True)
class PreparedDataset(Dataset):
    """Images, as `magsig prepare` wrote them.

    Args:
        images: uint8 [N, size, size, 3], mapped from disk, read-only.
        size: Height and width of the images in pixels.
    """

    data = IMAGES
    columns = (*Dataset.columns, "perceptual_hash")
    sizes = ("size",)
    dtypes = (np.uint8,)

    images: np.memmap
    size: int

    @property
    def inputs(self) -> Inputs:
        """The images, uint8 [N, size, size, 3]."""
        return self.images

    @classmethod
    def _shape(cls, info: dict[str, Any]) -> tuple[int, ...]:
        return info["size"], info["size"], 3


@dataclass(frozen=True, kw_only=True)
class EmbeddedDataset(Dataset):
    """Embeddings of images, as `magsig embed` wrote them or `magsig prepare` took them from a file.

    Args:
        embeddings: float32 or float16 [N, views, length], mapped from disk, read-only. View 0 is that of the plain
            image, and the only one that is evaluated; the others are of augmented copies, for training.
        length: p, numbers in an embedding.
        views: How many there are of each image, >= 1.
    """

    data = EMBEDDINGS
    sizes = ("length", "views")
    dtypes = (np.float32, np.float16)

    embeddings: np.memmap
    length: int
    views: int

    @property
    def inputs(self) -> Inputs:
        """The embeddings of the plain images, float32 [N, length]."""
        return _PlainViews(self.embeddings)

    @classmethod
    def _shape(cls, info: dict[str, Any]) -> tuple[int, ...]:
        return info["views"], info["length"]


@dataclass(frozen=True)
class _PlainViews:
    embeddings: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.embeddings.shape[0], self.embeddings.shape[2])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.embeddings[rows, 0].astype(np.float32)


_KIND_OF: dict[str, type[PreparedDataset] | type[EmbeddedDataset]] = {
    IMAGES: PreparedDataset,
    EMBEDDINGS: EmbeddedDataset,
}
_OTHER = {
    EMBEDDINGS: "Embeddings have no pixels: choose a data set of images",
    IMAGES: "Embed the images first, with `magsig embed`",
}


def with_images(dataset: Dataset) -> PreparedDataset:
    """Return a data set that holds images.

    Raises:
        UsageError: it holds embeddings.
    """
    if not isinstance(dataset, PreparedDataset):
        raise _of_the_other(IMAGES, dataset.data, dataset.name)
    return dataset


def _of_the_other(expected: str, found: str, name: str) -> UsageError:
    return UsageError(f"Expected a data set of {expected}", f"found one of {found}: {name}", _OTHER[found])


def open_dataset(folder: Path) -> PreparedDataset | EmbeddedDataset:
    """Open a data set of either kind.

    Args:
        folder: `<workspace>/data/<name>`.

    Raises:
        DataError: it is not there, not finished, or its files do not belong together.
        ChangedError: a file is not what wrote it.
    """
    info = read_info(folder)
    return _KIND_OF[data_of(info)]._opened(Path(folder), info)


def data_of(info: dict[str, Any]) -> str:
    """Return what a dataset.json says that its data set holds: "images" or "embeddings"."""
    return info.get("data", IMAGES)  # earlier versions had images alone


def read_info(folder: Path) -> dict[str, Any]:
    """Read the dataset.json of a data set.

    Raises:
        DataError: it is not there, or its values could not be worked with.
        ChangedError: it is not what was written.
    """
    path = Path(folder) / "dataset.json"
    if not verified(path).is_file():
        raise DataError(f"Expected a prepared data set in {folder}", "found none", "Run `magsig prepare` first")
    info = read_signed_json(path)
    known = _KIND_OF.get(data_of(info))
    kinds: dict[str, type] = _KINDS | (dict.fromkeys(known.sizes, int) if known else {"data": type(None)})
    wrong = [key for key, kind in kinds.items() if not isinstance(info.get(key), kind)]
    if not wrong and not all(isinstance(name, str) for name in info["magnifications"]):
        wrong = ["magnifications"]
    if wrong:
        expected = f"Expected {', '.join(kinds)} in {path}"
        raise DataError(expected, f"found {wrong[0]} {repr(info.get(wrong[0]))[:100]}", _REMEDY)
    return info
