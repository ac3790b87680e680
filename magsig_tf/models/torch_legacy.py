"""Read tensors from PyTorch's legacy (before 1.6) file format, without PyTorch and without trusting the file.

Such a file is a sequence of pickles (magic number, protocol version, system, the object, storage keys) followed by the
storages: for each key, in order, a 64-bit count and that many little-endian numbers. A tensor in the object refers to
a storage with an offset, a size and strides in numbers; storages come last, so tensors are resolved at the end.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np

from magsig_tf.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
REMEDY = "Use a weight file from a source you trust, unchanged"


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: Any, offset: Any, size: Any, strides: Any, *_: object) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without storage")
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, strides)))


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _RestrictedUnpickler(pickle._Unpickler):  # the pure Python one: its instructions can be taken away
    """Resolves the four names that a file of tensors needs, refuses every other, and sets no attributes."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def load_build(self) -> None:
        self.stack.pop()  # PyTorch's notes on versions, which arrays do not need
        if type(self.stack[-1]) is not OrderedDict:
            raise pickle.UnpicklingError("it sets attributes, which no file of tensors needs")

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of tensors needs")
        return _ALLOWED[module, name]

    def persistent_load(self, identifier: Any) -> _Storage:
        kind, dtype, key, _, count, view = identifier
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise pickle.UnpicklingError("an unknown kind of storage")
        return _Storage(str(key), dtype, int(count))


def read_legacy_torch(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Return the tensors of a legacy PyTorch state dictionary.

    Only a mapping of names to float32 or int64 tensors is read: any other name in the pickle is refused before it is
    resolved, so nothing in the file can run.

    Args:
        stream: The open binary file.

    Returns:
        Name -> contiguous array, in the file's order.

    Raises:
        DataError: the file is not of this format, is cut short, or asks for anything but tensors.
    """
    try:
        if _unpickle(stream) != MAGIC or _unpickle(stream) != PROTOCOL:
            raise pickle.UnpicklingError("no magic number of PyTorch's legacy format")
        if not _unpickle(stream)["little_endian"]:
            raise pickle.UnpicklingError("big-endian numbers")
        state = dict(_unpickle(stream))
        tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, _Tensor)}
        if len(tensors) != len(state):
            raise pickle.UnpicklingError("a value that is no tensor")
        storages = _read_storages(stream, _unpickle(stream), {t.storage.key: t.storage for t in tensors.values()})
        return {name: _resolve(tensor, storages) for name, tensor in tensors.items()}
    # a hostile or damaged pickle may raise nearly anything from inside the unpickler
    except Exception as error:
        raise DataError("Expected tensors in PyTorch's legacy format", f"found: {error}", REMEDY) from error


def _unpickle(stream: BinaryIO) -> Any:
    return _RestrictedUnpickler(stream, encoding="ascii").load()


def _read_storages(stream: BinaryIO, keys: Any, declared: dict[str, _Storage]) -> dict[str, np.ndarray]:
    storages = {}
    for key in keys:
        storage = declared[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.count:
            raise ValueError(f"a storage of {count} numbers where {storage.count} were declared")
        storages[key] = np.frombuffer(stream.read(count * storage.dtype.itemsize), storage.dtype, count)
    return storages


def _resolve(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    storage = storages[tensor.storage.key]
    numbers = (tensor.offset, *tensor.size, *tensor.strides)
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.size, tensor.strides, strict=True))
    # as_strided trusts its caller: without these checks it would read outside the storage
    if min(numbers) < 0 or last >= len(storage) or math.prod(tensor.size) > len(storage):
        raise ValueError("a tensor that reaches outside its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.size, strides, writeable=False)
    return np.ascontiguousarray(view).reshape(tensor.size)
