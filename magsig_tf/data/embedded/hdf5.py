"""One HDF5 file of embeddings; nothing outside of it is opened, and nothing of it grows beyond what it declares."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from magsig_tf.data.embedded.columns import (
    COORDS,
    FEATURES,
    MOST_ARRAYS,
    PATHS,
    chosen_array,
    is_column,
    no_features,
    rows_of,
)
from magsig_tf.data.embedded.stored import Mapped, StoredArray, check_shape
from magsig_tf.data.embedded.values import float_kind
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, in_one_line, reading_remedy
from magsig_tf.npz_files import LARGEST_RATIO, UNSUSPICIOUS

LARGEST_CHUNK = 64 * 2**20
_INFLATES = 1032
"""How many times deflate grows at most."""
_SMALL = 2**20
_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
_LONGEST_TEXT = 10_000
_PLAIN = "Copy the arrays into a new file: plain datasets of numbers, or with gzip or lzf"


@dataclass(frozen=True)
class H5Arrays:
    """What one HDF5 file holds.

    Args:
        features: The embeddings.
        columns: What is known of each, by the name of the column; the names of rows as `path`.
        coords: Place of each row in its slide, shape (rows, 2); None where the file has none.
        passed: Names of what was passed over.
        attributes: Texts and numbers that the file says of itself.
    """

    features: StoredArray
    columns: dict[str, np.ndarray]
    coords: np.ndarray | None
    passed: list[str]
    attributes: dict[str, str]


class H5Rows:
    """A dataset of an HDF5 file; the file is open only while rows are read.

    Args:
        path: The file.
        name: The dataset.
        shape: Rows, views and length, whose product is that of the dataset's own shape.
        dtype: Of the dataset.
        axis: Axis of the dataset that counts the rows.
        grain: Rows of a chunk.
    """

    is_mapped = False

    def __init__(self, path: Path, name: str, shape: tuple[int, int, int], dtype: np.dtype, axis: int, grain: int):
        self.path, self.name, self.shape, self.dtype, self.axis, self.grain = path, name, shape, dtype, axis, grain

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start to stop - 1."""
        with opened(self.path) as file:
            dataset = file[self.name]
            rows = dataset[start:stop] if self.axis == 0 else dataset[(0,) * self.axis + (slice(start, stop),)]
        return rows.reshape(stop - start, *self.shape[1:])


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file; anything that reading raises is told in our words.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (DataError, MemoryError):
        raise
    except Exception as error:  # h5py raises anything on damaged bytes
        expected = f"Expected a readable HDF5 file: {path.name}"
        remedy = reading_remedy(error, "Write it anew")
        raise DataError(expected, f"found: {in_one_line(error)[:200] or type(error).__name__}", remedy) from error


def read_h5_arrays(path: Path, arrays: Mapping[str, str]) -> H5Arrays:
    """Return what an HDF5 file holds; the embeddings stay on disk.

    Args:
        path: Holds `features` (or another of `FEATURES`) and, for each row, perhaps `coords`, `path` and columns.
        arrays: Names of the file's datasets for `features`, `path` and `coords`, where they are others.

    Raises:
        DataError: it cannot be read, holds no embeddings, or something that is no plain dataset.
    """
    with opened(path) as file:
        there = _datasets(file, arrays, path.name)
        name = chosen_array("features", FEATURES, list(there), arrays, path.name)
        if name is None:
            raise no_features(list(there), path.name)
        paths = chosen_array("path", PATHS, list(there), arrays, path.name)
        coords = chosen_array("coords", COORDS, list(there), arrays, path.name)
        describing = paths or coords
        described = there[describing].shape if describing else ()
        features = _features(path, name, there[name], described)
        rows = features.shape[0]
        columns, passed = {}, []
        for each, dataset in there.items():
            if each == paths or (each not in (name, coords) and is_column(dataset.shape, dataset.dtype, rows, each)):
                columns["path" if each == paths else each] = _small(dataset, f"{printable(each)} in {path.name}", rows)
            elif each not in (name, coords):
                passed.append(each)
        places = None if coords is None else _coords(there[coords], f"{printable(coords)} in {path.name}", rows)
        said = {**_attributes(file), **_attributes(there[name])}
    return H5Arrays(features, columns, places, passed, said)


def _datasets(file: h5py.File, arrays: Mapping[str, str], name: str) -> dict[str, h5py.Dataset]:
    """Return the datasets of the root, and those that the user names by a path, where all are plain ones."""
    if len(file) > MOST_ARRAYS:
        expected = f"Expected at most {MOST_ARRAYS:,} datasets in {name}"
        raise DataError(expected, f"found {len(file):,}", "One dataset holds the embeddings of all images")
    found = {}
    for each in dict.fromkeys([*file, *(path for path in arrays.values() if "/" in path)]):
        place: h5py.Group = file
        for part in [part for part in each.split("/") if part]:
            link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
            if link is None:
                break
            if not isinstance(link, h5py.HardLink):
                found_link = f"found that {printable(each)[:60]!r} is a link"
                raise DataError(f"Expected plain datasets in {name}", found_link, _PLAIN)
            place = place[part]
        else:
            if isinstance(place, h5py.Dataset):
                _check_plain(place, f"{printable(each)[:60]} in {name}")
                found[each] = place
    return found


def _check_plain(dataset: h5py.Dataset, name: str) -> None:
    """Refuse a dataset that lies elsewhere, needs a filter that is not built in, or would grow as no real one does."""
    refused = ""
    if dataset.is_virtual:
        refused = "a virtual dataset"
    elif dataset.external:
        refused = "a dataset whose numbers lie in another file"
    elif dataset.shape is None:
        refused = "a dataset without content"
    elif dataset.dtype.names or (dataset.dtype.kind == "O" and h5py.check_string_dtype(dataset.dtype) is None):
        refused = "a dataset of objects, references or fields"
    elif dataset.dtype.kind == "V":
        refused = "a dataset of a kind that is none of numpy's"
    pipeline = dataset.id.get_create_plist()
    filters = [pipeline.get_filter(at)[0] for at in range(pipeline.get_nfilters())]
    if unknown := [each for each in filters if each not in _FILTERS]:
        refused = f"the filter {unknown[0]}, which is not built in"
    elif len(set(filters)) < len(filters):
        refused = "a filter that is applied twice"
    if refused:
        raise DataError(f"Expected plain datasets, such as {name}", f"found {refused}", _PLAIN)
    nbytes, packed = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if nbytes > UNSUSPICIOUS and nbytes > LARGEST_RATIO * packed:
        found = f"found {nbytes:,} bytes declared and {packed:,} in the file, as no real one has"
        raise DataError(f"Expected a whole dataset: {name}", found, "Write it anew")
    if dataset.chunks:
        _check_chunks(dataset, name, h5py.h5z.FILTER_DEFLATE in filters)


def _check_chunks(dataset: h5py.Dataset, name: str, deflated: bool) -> None:
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > LARGEST_CHUNK:
        expected = f"Expected chunks of at most {LARGEST_CHUNK // 2**20} MiB in {name}"
        raise DataError(expected, f"found {size / 2**20:,.0f} MiB", "Write it with smaller chunks")
    if not dataset.id.get_create_plist().get_nfilters():
        return
    chunks: list[tuple[tuple[int, ...], int]] = []
    dataset.id.chunk_iter(
        lambda chunk: chunks.append((chunk.chunk_offset, chunk.size)) if chunk.size > _SMALL else None
    )
    for offset, packed in chunks:
        # a chunk that cannot be packed is a little larger than what it holds
        if packed > 2 * size + _SMALL:
            expected = f"Expected chunks of {size:,} bytes in {name}"
            raise DataError(expected, f"found one of {packed:,}, packed", "Write it anew")
        if deflated:
            # HDF5 itself expands a chunk without a bound; one below 1 MiB cannot grow beyond 1 GiB
            expander = zlib.decompressobj()
            with contextlib.suppress(zlib.error):  # HDF5 says it better
                expander.decompress(dataset.id.read_direct_chunk(offset)[1], size + _SMALL)
                if expander.unconsumed_tail:
                    found = f"found one that grows beyond {_INFLATES:,} times its share"
                    raise DataError(f"Expected chunks of {size:,} bytes in {name}", found, "Write it anew")


def _features(path: Path, name: str, dataset: h5py.Dataset, described: tuple[int, ...]) -> StoredArray:
    where = path.name
    own = dataset.shape
    if len(own) == 1:
        shape, axis = (1, 1, own[0]), 0  # one embedding of a whole slide
    else:
        # coordinates may have the same leading axis of one
        count = described[1] if len(described) == 3 and described[0] == 1 else described[0] if described else None
        shape = rows_of(own, where, count)
        axis = int(len(own) == 3 and own[0] == 1 and shape[:2] == (own[1], 1))
    check_shape(shape, where)
    float_kind(dataset.dtype, where)
    offset = dataset.id.get_offset()
    nbytes = math.prod(shape) * dataset.dtype.itemsize
    contiguous = dataset.chunks is None and offset is not None and not dataset.file.userblock_size
    if contiguous and offset + nbytes <= path.stat().st_size:
        return Mapped(np.memmap(path, dataset.dtype, "r", offset, shape))
    if len(own) == 1:
        return Mapped(dataset[:].reshape(shape))
    return H5Rows(path, dataset.name, shape, dataset.dtype, axis, dataset.chunks[axis] if dataset.chunks else 1)


def _coords(dataset: h5py.Dataset, name: str, rows: int) -> np.ndarray:
    values = _small(dataset, name, rows)
    values = values[0] if values.ndim == 3 and values.shape[0] == 1 else values
    if values.ndim != 2 or values.shape != (rows, 2) or values.dtype.kind not in "iuf":
        found = f"found {values.dtype} of shape {values.shape}"
        raise DataError(f"Expected {rows:,} pairs of numbers as {name}", found, "Write x and y for each embedding")
    return values


def _small(dataset: h5py.Dataset, name: str, rows: int) -> np.ndarray:
    """Return what is known of each row; texts are read a few at a time, since many can point to one long one."""
    if dataset.ndim == 0 or dataset.size > 100 * max(rows, 100):
        raise DataError(f"Expected one entry for each embedding as {name}", f"found {dataset.shape}", "Correct it")
    text = h5py.check_string_dtype(dataset.dtype)
    if text is None:
        return dataset[()]
    if text.length is not None and text.length > _LONGEST_TEXT:
        raise DataError(f"Expected texts of at most {_LONGEST_TEXT:,} letters as {name}", f"found {text.length:,}", "")
    step = int(np.clip(2**31 // max(1, Path(dataset.file.filename).stat().st_size), 64, 4096))
    found = []
    for start in range(0, len(dataset), step):
        part = dataset[start : start + step]
        if any(len(each) > _LONGEST_TEXT for each in part.reshape(-1)):
            raise DataError(f"Expected texts of at most {_LONGEST_TEXT:,} letters as {name}", "found a longer one", "")
        found.append(part)
    return np.concatenate(found) if found else np.empty(dataset.shape, object)


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, str]:
    """Return the attributes that are a short text or a number."""
    found = {}
    for name in list(item.attrs)[:100]:
        kind = item.attrs.get_id(name)
        if kind.shape == () and (kind.dtype.kind in "iufb" or h5py.check_string_dtype(kind.dtype)):
            value = item.attrs[name]
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            found[printable(str(name))[:100]] = printable(str(value))[:200]
    return found
