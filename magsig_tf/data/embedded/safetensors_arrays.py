"""The one reader of safetensors files: a length, a header in JSON, and the bytes of each array, mapped from disk.

The format is that of https://github.com/huggingface/safetensors (Format). Nothing in such a file can run; what the
header declares is held against the file's size before an array is mapped. Reading it here takes less than the package
does, which expands each slice by itself and knows no bfloat16 for numpy (docs/decisions/034-embedding-files.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magsig_tf.checksums import verified
from magsig_tf.data.embedded.columns import FEATURES, cells_of, chosen_array, no_features, rows_of
from magsig_tf.data.embedded.stored import FoundEmbeddings, Mapped, check_shape
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, in_one_line, reading_remedy

LONGEST_HEADER = 16 * 2**20
MOST_ARRAYS = 10_000
KINDS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1"},
}
"""The format's name of a dtype -> numpy's; bfloat16 are their 16 bits."""


class SafetensorsError(ValueError):
    """A file that is no safetensors file, or declares what it does not hold; its text is one line."""


@dataclass(frozen=True)
class Tensor:
    """What the header says of one array.

    Args:
        kind: Its dtype, as the format names it.
        shape: Its shape.
        start: Where its bytes begin in the file.
        stop: Where they end.
    """

    kind: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the arrays of a safetensors file and what it says of itself; every byte belongs to exactly one array.

    Raises:
        ChangedError: it lies in a folder of ours and is not what magsig wrote there.
        OSError: it cannot be read.
        SafetensorsError: it is no safetensors file, or declares what it does not hold.
    """
    with open(verified(Path(path)), "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise SafetensorsError(f"a header of {length:,} bytes in a file of {size:,}")
        if length > LONGEST_HEADER:
            raise SafetensorsError(f"a header of {length:,} bytes, and at most {LONGEST_HEADER:,} are read")
        header = _parsed(stream.read(length))
    said = header.pop("__metadata__", {})
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise SafetensorsError("metadata that are no texts")
    if len(header) > MOST_ARRAYS:
        raise SafetensorsError(f"{len(header):,} arrays, and at most {MOST_ARRAYS:,} are read")
    tensors = {name: _tensor(name, entry, 8 + length) for name, entry in header.items()}
    end = 8 + length
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != end:
            what = "bytes that belong to two arrays" if tensor.start < end else "bytes that belong to no array"
            raise SafetensorsError(f"{what}, before {_shown(name)}")
        end = tensor.stop
    if end != size:
        raise SafetensorsError(f"arrays of {end - 8 - length:,} bytes, and {size - 8 - length:,} in the file")
    return tensors, said


def mapped(path: Path, tensor: Tensor) -> np.ndarray:
    """Return an array that `read_header` named, mapped read-only; of bfloat16 the bits (`from_bfloat16`).

    Raises:
        SafetensorsError: numpy has no such numbers.
        OSError: it cannot be read.
    """
    if tensor.kind not in KINDS:
        raise SafetensorsError(f"numbers of the kind {_shown(tensor.kind)}")
    if tensor.start == tensor.stop:
        return np.empty(tensor.shape, KINDS[tensor.kind])
    return np.memmap(path, KINDS[tensor.kind], "r", tensor.start, tensor.shape)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Return the float32 numbers whose upper halves are given."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def as_float32(path: Path, tensor: Tensor) -> np.ndarray:
    """Return an array of floating-point numbers, whatever their width, as float32.

    Raises:
        SafetensorsError: they are none.
        OSError: it cannot be read.
    """
    if tensor.kind not in ("F64", "F32", "F16", "BF16"):
        raise SafetensorsError(f"{_shown(tensor.kind)} where floating-point numbers belong")
    array = mapped(path, tensor)
    return from_bfloat16(array) if tensor.kind == "BF16" else np.asarray(array, np.float32)


def _parsed(content: bytes) -> dict:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise SafetensorsError("a name twice in its header")
        return found

    try:
        header = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except SafetensorsError:
        raise
    except (ValueError, RecursionError) as error:
        raise SafetensorsError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise SafetensorsError("a header that is no JSON object")
    return header


def _tensor(name: str, entry: object, origin: int) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(f"no dtype, shape and data_offsets for {_shown(name)}")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    whole = [shape, offsets]
    if not isinstance(kind, str) or not all(isinstance(each, list) for each in whole) or len(offsets) != 2:
        raise SafetensorsError(f"no dtype, shape and data_offsets for {_shown(name)}")
    if len(shape) > 32 or any(type(number) is not int or not 0 <= number < 2**62 for each in whole for number in each):
        raise SafetensorsError(f"a shape or offsets that are no whole numbers for {_shown(name)}")
    start, stop = offsets
    if stop < start:
        raise SafetensorsError(f"offsets in the wrong order for {_shown(name)}")
    if kind in KINDS and stop - start != math.prod(shape) * np.dtype(KINDS[kind]).itemsize:
        raise SafetensorsError(f"{stop - start:,} bytes for {_shown(name)}, {kind} of shape {tuple(shape)}"[:200])
    return Tensor(kind, tuple(shape), origin + start, origin + stop)


def _shown(name: str) -> str:
    return ascii(name[:60])


def read_safetensors_features(path: Path, arrays: Mapping[str, str]) -> FoundEmbeddings:
    """Read a safetensors file: an array of embeddings, and perhaps whole numbers for each.

    Args:
        path: Holds `features` (or another of `FEATURES`, or a single array).
        arrays: Name of the file's array for `features`, where it is another.

    Raises:
        DataError: it cannot be read, is damaged, or holds no embeddings.
    """
    try:
        tensors, said = read_header(path)
        name = chosen_array("features", FEATURES, list(tensors), arrays, path.name)
        if name is None:
            large = [each for each, tensor in tensors.items() if len(tensor.shape) > 1]
            if len(large) != 1:
                raise no_features(list(tensors), path.name)
            name = large[0]
        tensor = tensors[name]
        shape = rows_of(tensor.shape, path.name)
        check_shape(shape, path.name)
        if tensor.kind not in KINDS:
            found = f"found {printable(tensor.kind)[:20]}"
            raise DataError(f"Expected F32, F16, BF16 or F64 in {path.name}", found, "Convert them to F32")
        widen = from_bfloat16 if tensor.kind == "BF16" else None
        stored = Mapped(mapped(path, tensor).reshape(shape), widen)
        columns = {
            each: np.array(mapped(path, one))
            for each, one in tensors.items()
            if each != name and one.shape == shape[:1] and one.kind in KINDS and one.kind[0] in "IU"
        }
    except SafetensorsError as error:
        remedy = "Write it anew with the package safetensors"
        raise DataError(f"Expected a safetensors file: {path.name}", f"found {error}", remedy) from error
    except OSError as error:
        found = f"found: {in_one_line(error)[:200]}"
        raise DataError(f"Expected to read {path.name}", found, reading_remedy(error, "Check the path")) from error
    kind = "bfloat16" if widen else str(stored.dtype)
    cells = cells_of(columns, shape[0], path.name)
    return FoundEmbeddings(stored, (path,), path.name, path.stem, kind, cells, attributes=tuple(said.items()))
