"""HDF5 files as found embeddings: one file of images, or a folder with one file a slide, as CLAM and TRIDENT write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from magsig_tf.data.embedded.columns import cells_of
from magsig_tf.data.embedded.hdf5 import H5Arrays, read_h5_arrays
from magsig_tf.data.embedded.stored import FoundEmbeddings, Joined
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError

H5_SUFFIXES = (".h5", ".hdf5")
MOST_FILES = 100_000


def read_h5_features(path: Path, arrays: Mapping[str, str]) -> FoundEmbeddings:
    """Read one HDF5 file; rows without names are named after the file and their coordinates, where it has these.

    Raises:
        DataError: as `read_h5_arrays`.
    """
    found = read_h5_arrays(path, arrays)
    columns, rows = dict(found.columns), found.features.shape[0]
    slides: tuple[tuple[str, int], ...] = ()
    if "path" not in columns:
        slides = ((path.stem, rows),)
        if found.coords is not None:
            columns = {"path": np.array(_names(path.stem, found)), **columns}
    notes = _passed(path.name, found.passed)
    attributes = tuple(found.attributes.items())
    cells = cells_of(columns, rows, path.name)
    kind = str(found.features.dtype)
    return FoundEmbeddings(found.features, (path,), path.name, path.stem, kind, cells, slides, notes, attributes)


def read_slide_folder(folder: Path, arrays: Mapping[str, str]) -> FoundEmbeddings:
    """Read a folder, or folders below it, with one HDF5 file a slide.

    Rows are named `<slide>/<x>_<y>`, or `<slide>#<index>` where a file has no coordinates; a file with a single vector
    is one row with the name of the slide.

    Args:
        folder: Where the files lie.
        arrays: As `read_h5_arrays` takes them.

    Raises:
        DataError: there is no file, one cannot be read, or the embeddings of two differ in length or views.
    """
    files = slide_files(folder)
    if not files or len(files) > MOST_FILES:
        expected = f"Expected one to {MOST_FILES:,} HDF5 files (.h5) below {folder}"
        raise DataError(expected, f"found {len(files):,}", "Pass the folder that holds the features")
    found = [read_h5_arrays(path, arrays) for path in files]
    stems = [path.relative_to(folder).with_suffix("").as_posix() for path in files]
    _check_same(files, found)
    rows = [each.features.shape[0] for each in found]
    names = [name for stem, each in zip(stems, found, strict=True) for name in _names(stem, each)]
    common = set.intersection(*({*each.columns} for each in found)) - {"path"}
    columns: dict[str, np.ndarray] = {"path": np.array(names, dtype=object)}
    for column in (each for each in found[0].columns if each in common):
        columns[column] = np.concatenate([each.columns[column].astype(object) for each in found])
    passed = {name for each in found for name in (*each.passed, *(set(each.columns) - common - {"path"}))}
    shared = set.intersection(*(set(each.attributes.items()) for each in found))
    array = Joined([each.features for each in found])
    notes = (
        f"{folder.name}: {len(files):,} slides with {sum(rows):,} embeddings",
        *_passed(folder.name, sorted(passed)),
    )
    return FoundEmbeddings(
        array,
        tuple(files),
        folder.name,
        folder.name,
        str(array.dtype),
        cells_of({**columns, "path": np.array(names, dtype=object)}, len(names), folder.name),
        tuple(zip(stems, rows, strict=True)),
        notes,
        tuple(item for item in found[0].attributes.items() if item in shared),
    )


def slide_files(folder: Path) -> list[Path]:
    """Return the HDF5 files below a folder, sorted; what a system left there is passed over."""
    return sorted(path for path in folder.rglob("*") if _is_h5(path))


def holds_slides(folder: Path) -> bool:
    """Return whether there is an HDF5 file among the first 10,000 names below a folder."""
    return any(map(_is_h5, islice(folder.rglob("*"), 10_000)))


def _is_h5(path: Path) -> bool:
    return path.suffix.lower() in H5_SUFFIXES and path.name[0] != "." and path.is_file()


def _names(stem: str, found: H5Arrays) -> list[str]:
    rows = found.features.shape[0]
    if "path" in found.columns:
        return [f"{stem}/{name}" for name in _texts(found.columns["path"])]
    if found.coords is not None:
        return [f"{stem}/{_whole(x)}_{_whole(y)}" for x, y in found.coords.tolist()]
    return [stem] if rows == 1 else [f"{stem}#{row}" for row in range(rows)]


def _texts(values: np.ndarray) -> list[str]:
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in values]


def _whole(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _check_same(files: Sequence[Path], found: Sequence[H5Arrays]) -> None:
    shapes = [each.features.shape[1:] for each in found]
    for path, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            expected = f"Expected embeddings of {shapes[0][1]:,} numbers in every file, as in {files[0].name}"
            views = f" in {shape[0]} views" if shape[0] != shapes[0][0] else ""
            raise DataError(expected, f"found {shape[1]:,}{views} in {path.name}", "Pass files of one encoder")


def _passed(name: str, passed: Sequence[str]) -> tuple[str, ...]:
    shown = ", ".join(printable(each)[:60] for each in passed[:5])
    return (f"{name}: passed over {len(passed):,} other datasets ({shown})",) if passed else ()
