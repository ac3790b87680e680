"""Arrays of embeddings where they lie: any rows of them can be read, and no more than these are in memory."""

from __future__ import annotations

import bisect
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np

from magsig_tf.data.table_text import Cells
from magsig_tf.errors import DataError, MagsigError, writing

BLOCK = 32 * 2**20
"""Bytes of float32 that one block of rows takes at most; a single row may take all of it."""
IN_MEMORY = 64 * 2**20
"""Bytes of an array that is held in memory where it cannot be read from the middle; a larger one goes to disk."""
MOST_READ_AGAIN = 4
"""How many times the rows of an array may be read for an order of the user's, before they are spooled once."""
_NEAR = 64 * 1024


class StoredArray(Protocol):
    """Embeddings [rows, views, length] of which a range of rows can be read.

    Args:
        shape: Rows, views and length.
        dtype: Kind of the numbers that `read` returns.
        is_mapped: Whether reading single rows costs no more than reading them in a range.
        grain: How many rows are read from disk where one is wanted.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    is_mapped: bool
    grain: int

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start to stop - 1."""
        ...


class Mapped:
    """An array that lies in memory or is mapped from disk.

    Args:
        array: [rows, views, length].
        widen: Makes floats of what is read, for kinds of numbers that numpy lacks.
    """

    is_mapped = True
    grain = 1

    def __init__(self, array: np.ndarray, widen: Callable[[np.ndarray], np.ndarray] | None = None):
        self.array, self.widen = array, widen
        self.shape: tuple[int, int, int] = array.shape
        self.dtype = array.dtype if widen is None else widen(array[:0]).dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start to stop - 1."""
        rows = self.array[start:stop]
        return rows if self.widen is None else self.widen(rows)


class Joined:
    """Arrays of several files as one.

    Args:
        parts: At least one array; views and length are the same in all.
        dtype: Kind of the numbers, which holds those of every part.
    """

    def __init__(self, parts: Sequence[StoredArray]):
        self.parts = parts
        self.starts = [0, *accumulate(part.shape[0] for part in parts)]
        self.shape = (self.starts[-1], *parts[0].shape[1:])
        self.dtype = np.result_type(*{part.dtype.newbyteorder("=") for part in parts})
        self.is_mapped = all(part.is_mapped for part in parts)
        self.grain = max(part.grain for part in parts)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start to stop - 1."""
        found = []
        at = bisect.bisect_right(self.starts, start) - 1
        while start < stop:
            first, end = self.starts[at], min(stop, self.starts[at + 1])
            if start < end:
                found.append(self.parts[at].read(start - first, end - first))
            start, at = max(start, end), at + 1
        return np.concatenate(found) if found else np.empty((0, *self.shape[1:]), self.dtype)


@dataclass(frozen=True)
class FoundEmbeddings:
    """What a file, or a folder of files, holds.

    Args:
        array: The embeddings, in the order of the file.
        files: Every file that was read.
        name: What is read, for messages.
        stem: What rows without a name are named after.
        kind: How the numbers are stored, such as "bfloat16".
        cells: A header and rows of what is known about each embedding, `path` among it where they are named; None
            where nothing is.
        slides: Name and number of rows of each slide, where rows belong to slides.
        notes: What was assumed, as sentences.
        attributes: What the file says of itself beyond its arrays, as text.
    """

    array: StoredArray
    files: tuple[Path, ...]
    name: str
    stem: str
    kind: str
    cells: Cells | None = None
    slides: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


def rows_in_block(shape: Sequence[int]) -> int:
    """Return how many rows of an array one block has."""
    return max(1, BLOCK // (4 * max(1, math.prod(shape[1:]))))


def check_shape(shape: Sequence[int], name: str) -> None:
    """Refuse an array that holds no embeddings, or rows that do not fit into a block.

    Args:
        shape: Rows, views and length.
        name: What is read, for messages.

    Raises:
        DataError: with the shape.
    """
    if not math.prod(shape):
        found = f"found an array of shape {tuple(shape)}"
        raise DataError(f"Expected embeddings in {name}", found, "Pass the file that holds them")
    if 4 * math.prod(shape[1:]) > BLOCK:
        expected = f"Expected at most {BLOCK // 4:,} numbers for each image in {name}"
        raise DataError(expected, f"found {math.prod(shape[1:]):,}", "Pool them to one vector for each image")


def gathered(array: StoredArray, rows: np.ndarray) -> np.ndarray:
    """Return rows in any order, read in ranges of at most two blocks.

    Args:
        array: The embeddings.
        rows: Which, shape (k,).
    """
    order = np.argsort(rows, kind="stable")
    found = np.empty((len(rows), *array.shape[1:]), array.dtype.newbyteorder("="))
    for start, stop in _ranges(array, rows[order]):
        first, last = rows[order[start]], rows[order[stop - 1]]
        found[order[start:stop]] = array.read(int(first), int(last) + 1)[rows[order[start:stop]] - first]
    return found


def _ranges(array: StoredArray, rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the parts of sorted rows that are read at once."""
    near = _near(array)
    most = 2 * rows_in_block(array.shape)
    breaks = np.flatnonzero(np.diff(rows) > near) + 1
    for start, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
        while start < stop:
            end = int(np.searchsorted(rows, rows[start] + most)) if rows[stop - 1] - rows[start] >= most else stop
            yield start, end
            start = end


def _near(array: StoredArray) -> int:
    """Return how many rows that are not wanted cost less than a second reading."""
    return max(array.grain, _NEAR // (4 * math.prod(array.shape[1:])))


def in_order(array: StoredArray, order: np.ndarray, folder: Path | None) -> StoredArray:
    """Return an array of which the rows in an order can be read in blocks at a bounded cost: itself, or a copy.

    Args:
        array: The embeddings.
        order: The rows, in the order in which blocks of them will be asked for.
        folder: Where a copy that is too large for memory may lie; the system's for temporary files if not given.
    """
    if array.is_mapped:
        return array
    step, read = rows_in_block(array.shape), 0
    for start in range(0, len(order), step):
        rows = np.sort(order[start : start + step])
        read += sum(int(rows[stop - 1] - rows[first]) + _near(array) for first, stop in _ranges(array, rows))
    if read <= MOST_READ_AGAIN * max(len(order), _near(array)):
        return array
    blocks = (array.read(at, min(at + step, array.shape[0])) for at in range(0, array.shape[0], step))
    return spooled(array.shape, array.dtype, blocks, folder)


def spooled(shape: tuple[int, int, int], dtype: np.dtype, blocks: Iterable[np.ndarray], folder: Path | None) -> Mapped:
    """Return a copy of an array that can only be read from its beginning: in memory, or in a file without a name.

    Args:
        shape: Rows, views and length.
        dtype: Kind of the numbers.
        blocks: All rows in their order.
        folder: Where the file lies; the system's for temporary files if not given.

    Raises:
        MagsigError: there is no room for it.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes <= IN_MEMORY:
        array = np.empty(shape, dtype)
    else:
        place = Path(tempfile.gettempdir() if folder is None else folder)
        free = shutil.disk_usage(place).free
        if nbytes > free:
            expected = f"Expected {nbytes / 2**30:,.1f} GiB of room in {place} to unpack the embeddings"
            raise MagsigError(expected, f"found {free / 2**30:,.1f} GiB", "Free space, or set TMPDIR to another folder")
        with writing(place), tempfile.TemporaryFile(dir=place) as stream:
            # every block of the disk is taken now: a mapped file that runs out of room ends the process
            os.posix_fallocate(stream.fileno(), 0, nbytes) if hasattr(os, "posix_fallocate") else stream.truncate(
                nbytes
            )
            array = np.memmap(stream, dtype, "r+", 0, shape)
    at = 0
    for block in blocks:
        array[at : at + len(block)] = block.reshape(-1, *shape[1:])
        at += len(block)
    if at < shape[0]:
        raise DataError(
            f"Expected {shape[0]:,} rows of embeddings", f"found {at:,}", "The file is damaged: write it anew"
        )
    return Mapped(array)
