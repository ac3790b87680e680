"""Embeddings on disk: those that training wrote and those of another model, checked before anything is calculated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.data.splits import PARTS
from magsig_tf.errors import DataError, in_one_line

ARRAYS = ("embedding", "label", "case", "magnification")
_REMEDY = "Write the arrays embedding, label, case, magnification and split with numpy.savez (docs/signatures.md)"


@dataclass(frozen=True)
class Embeddings:
    """Embedded images; every array has one entry a row.

    Args:
        embedding: Finite float32, shape (n, p).
        label: 0 benign, 1 malignant, shape (n,).
        case: Name of the patient, shape (n,).
        magnification: Name of the magnification, shape (n,).
        part: "train", "validation", "test", "in_domain_test" or "validation_holdout", shape (n,).
        row: Number of the image, the same in every file of a data set, shape (n,); None where the file has none.
    """

    embedding: np.ndarray
    label: np.ndarray
    case: np.ndarray
    magnification: np.ndarray
    part: np.ndarray
    row: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def dimensions(self) -> int:
        """Length p of the embedding."""
        return self.embedding.shape[1]

    def of(self, *parts: str) -> Embeddings:
        """Return the rows of some parts."""
        return self._chosen(np.isin(self.part, parts))

    def images(self, rows: np.ndarray) -> Embeddings:
        """Return the given images, in the order given.

        Args:
            rows: Numbers of images, each once among `row`.
        """
        known = np.asarray(self.row)
        order = np.argsort(known)
        return self._chosen(order[np.searchsorted(known, rows, sorter=order)])

    def _chosen(self, which: np.ndarray) -> Embeddings:
        arrays: dict[str, Any] = {name: array if array is None else array[which] for name, array in vars(self).items()}
        return Embeddings(**arrays)


def read_embeddings(path: Path, remedy: str = _REMEDY) -> Embeddings:
    """Read an NPZ file of embeddings and check it; nothing in it is executed.

    Args:
        path: Holds `embedding` (n, p) of numbers; `label` (n,) of 0 and 1; `case`, `magnification` (n,) of texts or
            whole numbers; `split` (n,) of `PARTS` (training writes it as `part`); and, if wanted, `row` (n,) of whole
            numbers, one for each image.

    Raises:
        DataError: the file is missing or unreadable, lacks an array, or an array is of another kind or length or holds
            NaN or infinity.
    """
    try:
        return _checked(_read(path), path)
    except DataError as error:
        raise DataError(error.expected, error.found, error.remedy or remedy) from error


def _checked(arrays: dict[str, np.ndarray], path: Path) -> Embeddings:
    embedding = arrays["embedding"]
    if embedding.ndim != 2 or not embedding.size or embedding.dtype.kind not in "fiu":
        raise _wrong("numbers of shape (images, dimensions) as embedding", path, _shape(embedding))
    for name, array in arrays.items():
        if name != "embedding" and array.shape != embedding.shape[:1]:
            raise _wrong(f"{len(embedding)} entries in {name}, one for each embedding,", path, _shape(array))
    embedding = embedding.astype(np.float32, copy=False)
    broken = ~np.isfinite(embedding).all(1)
    if broken.any():
        found = f"found NaN or infinity in {broken.sum()} of {len(broken)} rows, first row {broken.argmax()}"
        raise _wrong("finite embeddings", path, found, "Mend or leave out these rows")
    label = arrays["label"]
    if label.dtype.kind not in "biuf" or not np.isin(label, (0, 1)).all():
        raise _wrong("labels 0 (benign) and 1 (malignant)", path, f"found {_few(label)}")
    part = _texts(arrays["split"], "split", path)
    if not np.isin(part, PARTS).all():
        raise _wrong(f"{', '.join(PARTS)} as split", path, f"found {_few(part[~np.isin(part, PARTS)])}")
    case, magnification = (_texts(arrays[name], name, path) for name in ("case", "magnification"))
    return Embeddings(embedding, label.astype(np.int8), case, magnification, part, _rows(arrays, part, path))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        opened = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise ValueError("a single array, no NPZ file")
        with opened as file:
            names = {name: name for name in (*ARRAYS, "split", "row") if name in file.files}
            if "split" not in names and "part" in file.files:
                names["split"] = "part"
            missing = [name for name in (*ARRAYS, "split") if name not in names]
            if missing:
                raise _wrong(f"the array {', '.join(missing)}", path, f"found {', '.join(file.files)[:100] or 'none'}")
            return {name: file[stored] for name, stored in names.items()}
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise anything on bytes that are no NPZ file
        found = "found none" if not Path(path).exists() else f"found: {in_one_line(error)[:200]}"
        raise _wrong("a readable NPZ file of embeddings", path, found) from error


def _rows(arrays: dict[str, np.ndarray], part: np.ndarray, path: Path) -> np.ndarray | None:
    row = arrays.get("row")
    if row is None:
        return None
    if row.dtype.kind not in "iu":
        raise _wrong("whole numbers as row", path, _shape(row))
    tested = row[np.isin(part, ("test", "in_domain_test"))]
    if len(np.unique(tested)) < len(tested):
        raise _wrong("each image once among the test rows", path, "found repeated row numbers")
    return row.astype(np.int64)


def _texts(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.dtype.kind not in "Uiu":
        raise _wrong(f"texts or whole numbers as {name}", path, _shape(array))
    return array.astype(str)


def _few(values: np.ndarray) -> str:
    shown = [str(value) for value in np.unique(values)[:3]]
    return ", ".join(shown)[:100] + (", ..." if len(np.unique(values)) > 3 else "")


def _shape(array: np.ndarray) -> str:
    return f"found {array.dtype} of shape {array.shape}"


def _wrong(expected: str, path: Path, found: str, remedy: str = "") -> DataError:
    return DataError(f"Expected {expected} in {path}", found, remedy)
