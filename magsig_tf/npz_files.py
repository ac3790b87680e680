"""The one reader of NPZ and NPY files: nothing is expanded before what it declares has been added up and compared.

An NPZ file is a zip of NPY files. Deflate reaches a ratio of 1,032, so 5 MB can hold 5 GB of zeros; and an NPY header
can declare any shape, whatever follows it.
"""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from magsig_tf.checksums import verified
from magsig_tf.errors import MagsigError, in_one_line
from magsig_tf.memory import available_memory

LARGEST_RATIO = 100
UNSUSPICIOUS = 64 * 2**20
"""Bytes below which no ratio matters: a million equal names compress well."""
_CHECKED = 16 * 2**20
COPIES = 1.5
"""Room for the arrays and, while one is converted, part of another copy."""
LONGEST_HEADER = 10_000


class NpzError(ValueError):
    """An NPZ file that is damaged, or that declares what no real file does; its text is one line."""


class ObjectsError(NpzError):
    """An array of an NPZ file holds objects; `array` is its name."""

    def __init__(self, array: str):
        super().__init__(f"array {_shown(array)} holds objects, which only pickle could read")
        self.array = array


@dataclass(frozen=True)
class DeclaredArray:
    """What an NPZ file says of one array, in its zip entry and in its NPY header.

    Args:
        shape: Its shape.
        dtype: Its kind of number or text; never objects.
        nbytes: Bytes that the array takes.
        packed: Bytes that it takes in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    nbytes: int
    packed: int


def read_npz(path: Path | str, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays of an NPZ file; nothing in it is executed.

    Args:
        path: The file.
        names: Which arrays; those that the file lacks are not in the result. All if not given.

    Returns:
        The arrays by name, in the order asked for or of the file.

    Raises:
        ChangedError: it lies in a folder of ours and is not what magsig wrote there.
        OSError: it cannot be opened or read.
        NpzError: it is damaged or no NPZ file, holds objects, or declares what no real file does.
        MagsigError: its arrays do not fit into the memory that is free.
    """
    with _opened(path) as entries:
        wanted = list(entries if names is None else dict.fromkeys(name for name in names if name in entries))
        declared = {name: _declared(name, *entries[name]) for name in wanted}
        _refuse_too_much(path, declared)
        return {name: _array(name, *entries[name], declared[name]) for name in wanted}


def names_in_npz(path: Path | str) -> list[str]:
    """Return the names of an NPZ file's arrays; no array is read.

    Raises:
        ChangedError: it lies in a folder of ours and is not what magsig wrote there.
        OSError: it cannot be opened or read.
        NpzError: it is damaged or no NPZ file.
    """
    with _opened(path) as entries:
        return list(entries)


def declared_in_npz(path: Path | str) -> dict[str, DeclaredArray | None]:
    """Return what an NPZ file declares of its arrays, None for one of objects; no array is read.

    Raises:
        NpzError: an array declares what no real one does; else as `names_in_npz`.
    """
    with _opened(path) as entries:
        declared: dict[str, DeclaredArray | None] = {}
        for name, (file, entry) in entries.items():
            try:
                declared[name] = array = _declared(name, file, entry)
            except ObjectsError:
                declared[name] = None
                continue
            _refuse_bomb(name, array)
        return declared


def map_npz(path: Path | str, name: str) -> np.ndarray | None:
    """Return an array of an NPZ file, mapped from disk; None where it is compressed, which only reading can expand.

    Args:
        path: The file.
        name: An array of it.

    Raises:
        NpzError: the array holds objects; else as `names_in_npz`.
    """
    with _opened(path) as entries:
        file, entry = entries[name]
        declared = _declared(name, file, entry)
        if entry.compress_type != zipfile.ZIP_STORED:
            return None
        with open(path, "rb") as stream:
            # the local header repeats the name, and its extra field may differ from the directory's in length
            stream.seek(entry.header_offset)
            local = stream.read(30)
            start = entry.header_offset + 30 + int.from_bytes(local[26:28], "little")
            start += int.from_bytes(local[28:30], "little")
            if local[:4] != b"PK\x03\x04" or entry.compress_size != entry.file_size:
                raise NpzError(f"array {_shown(name)} lies elsewhere than the zip says")
            array = _mapped(path, start, declared.nbytes, name)
            stream.seek(start)
            checksum = 0
            for at in range(0, entry.file_size, _CHECKED):
                checksum = zlib.crc32(stream.read(min(_CHECKED, entry.file_size - at)), checksum)
            if checksum != entry.CRC:
                raise NpzError(f"array {_shown(name)} is not what its checksum says")
            return array


def npz_blocks(path: Path | str, name: str, shape: tuple[int, ...], rows: int) -> Iterator[np.ndarray]:
    """Yield an array of an NPZ file from its beginning, so many rows at once.

    Args:
        path: The file.
        name: An array of it.
        shape: Under which its values are wanted.
        rows: How many rows of that shape at once.

    Raises:
        NpzError: it holds objects, or lies in Fortran's order; else as `names_in_npz`.
    """
    with _opened(path) as entries:
        file, entry = entries[name]
        step = _declared(name, file, entry).nbytes // max(1, shape[0])
        with file.open(entry) as stream:
            _, dtype, _, fortran = _npy_header(stream, name)
            if fortran:
                raise NpzError(f"array {_shown(name)} lies in Fortran's order (write numpy.ascontiguousarray of it)")
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                content = stream.read(count * step)
                yield np.frombuffer(content, dtype).reshape(count, *shape[1:])
            if stream.read(1):
                raise NpzError(f"array {_shown(name)} is longer than it declares")


def map_npy(path: Path | str) -> np.ndarray:
    """Return the array of an NPY file, mapped from disk.

    Raises:
        ChangedError: it lies in a folder of ours and is not what magsig wrote there.
        OSError: it cannot be opened or read.
        NpzError: it is damaged or no NPY file, or holds objects.
    """
    try:
        path = verified(Path(path))
        return _mapped(path, 0, None, path.name)
    except (MagsigError, NpzError, OSError):
        raise
    except Exception as error:  # numpy raises anything on damaged bytes
        raise NpzError(in_one_line(error)[:200] or type(error).__name__) from error


def _mapped(path: Path | str, start: int, expected: int | None, name: str) -> np.ndarray:
    with open(path, "rb") as stream:
        stream.seek(start)
        shape, dtype, header, fortran = _npy_header(stream, name)
        nbytes = math.prod(shape) * dtype.itemsize
        there = stream.seek(0, 2) - start - header
        if nbytes > there or nbytes != (there if expected is None else expected):
            raise NpzError(f"array {_shown(name)} declares {nbytes:,} bytes and has {max(0, there):,}")
        if not nbytes:
            return np.empty(shape, dtype)
        return np.memmap(stream, dtype, "r", start + header, shape, "F" if fortran else "C")


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]]]:
    """Yield the entries of the file by the name of their array; anything that reading raises becomes an `NpzError`."""
    try:
        with open(verified(Path(path)), "rb") as stream:
            if stream.read(6) == b"\x93NUMPY":
                raise NpzError("a single array, no NPZ file")
            with zipfile.ZipFile(stream) as file:
                entries: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
                for entry in file.infolist():
                    name = entry.filename.removesuffix(".npy")
                    if name in entries:
                        raise NpzError(f"the array {_shown(name)} twice")
                    entries[name] = file, entry
                yield entries
    except (MagsigError, NpzError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise anything on damaged bytes
        raise NpzError(in_one_line(error)[:200] or type(error).__name__) from error


def _declared(name: str, file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> DeclaredArray:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile expands the other kinds without a bound
        raise NpzError(f"array {_shown(name)} is compressed in another way than numpy does")
    with file.open(entry) as stream:
        shape, dtype, header, _ = _npy_header(stream, name)
    nbytes = math.prod(shape) * dtype.itemsize
    if header + nbytes != entry.file_size:
        declares = f"array {_shown(name)} declares {nbytes:,} bytes"
        raise NpzError(f"{declares} and its zip entry {entry.file_size - header:,}")
    return DeclaredArray(shape, dtype, nbytes, entry.compress_size)


def _npy_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype, int, bool]:
    """Return shape, dtype, length of the header in bytes and whether the values lie in Fortran's order."""
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise NpzError(f"{_shown(name)} is no NPY array")
    width = 2 if magic[6] == 1 else 4
    length = stream.read(width)
    size = int.from_bytes(length, "little")
    if size > LONGEST_HEADER:
        raise NpzError(f"array {_shown(name)} has a header of {size:,} bytes")
    return _shape_and_dtype(magic + length + stream.read(size), name)


def _shape_and_dtype(header: bytes, name: str) -> tuple[tuple[int, ...], np.dtype, int, bool]:
    stream = io.BytesIO(header)
    version = np.lib.format.read_magic(stream)
    # version 3 differs from 2 in the encoding of field names alone, and arrays with fields are none of ours
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream, max_header_size=LONGEST_HEADER)
    if dtype.hasobject or dtype.names:
        raise ObjectsError(name)
    if any(length < 0 for length in shape):
        raise NpzError(f"array {_shown(name)} has a shape of {shape}")
    return shape, dtype, len(header), fortran


def _refuse_too_much(path: Path | str, arrays: Mapping[str, DeclaredArray]) -> None:
    for name, array in arrays.items():
        _refuse_bomb(name, array)
    needed, there = COPIES * sum(array.nbytes for array in arrays.values()), available_memory()
    if needed > there:
        expected = f"Expected {_in_words(needed)} of free memory for the arrays of {path}"
        raise MagsigError(expected, f"found {_in_words(there)}", "Close other programs, or use a machine with more")


def _refuse_bomb(name: str, array: DeclaredArray) -> None:
    ratio = array.nbytes / max(1, array.packed)
    if array.nbytes > UNSUSPICIOUS and ratio > LARGEST_RATIO:
        found = f"array {_shown(name)} would grow {ratio:,.0f}-fold to {_in_words(array.nbytes)}"
        raise NpzError(f"{found}, as no real one does")


def _array(name: str, file: zipfile.ZipFile, entry: zipfile.ZipInfo, declared: DeclaredArray) -> np.ndarray:
    with file.open(entry) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
        # to the end, where the zip's checksum is compared
        if stream.read(1) or array.nbytes != declared.nbytes:
            raise NpzError(f"array {_shown(name)} is longer than it declares")
    return array


def _shown(name: str) -> str:
    return ascii(name[:60])


def _in_words(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"
