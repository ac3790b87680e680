"""The restricted reader of PyTorch's legacy files: strides, and everything hostile."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.errors import DataError
from magsig_tf.models.torch_legacy import MAGIC, PROTOCOL, read_legacy_torch


class Named:
    """Pickles as the global name `module.name`, or as a call of it."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Storage:
    def __init__(self, key, values):
        self.key, self.values = key, np.asarray(values, "<f4")


class Writer(pickle._Pickler):  # the pure Python pickler lets a test write names that are not installed
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_named(self, item):
        self.write(f"c{item.module}\n{item.name}\n".encode())
        if item.arguments:
            self.save(item.arguments)
            self.write(pickle.REDUCE)

    dispatch[Named] = save_named

    def persistent_id(self, item):
        if isinstance(item, Storage):
            return ("storage", Named("torch", "FloatStorage"), item.key, "cpu", len(item.values), None)
        return None


def legacy_file(state, storages=(), counts=None):
    stream = io.BytesIO()
    for item in (MAGIC, PROTOCOL, {"little_endian": True}, state, [storage.key for storage in storages]):
        Writer(stream, protocol=2).dump(item)
    for number, storage in enumerate(storages):
        stream.write(struct.pack("<q", len(storage.values) if counts is None else counts[number]))
        stream.write(storage.values.tobytes())
    stream.seek(0)
    return stream


def tensor(storage, offset, size, strides):
    return Named("torch._utils", "_rebuild_tensor_v2", storage, offset, size, strides, False, OrderedDict())


def test_offsets_and_non_contiguous_strides_are_followed():
    storage = Storage("7", np.arange(10))
    state = OrderedDict(
        transposed=tensor(storage, 1, (2, 3), (1, 2)),
        whole=tensor(storage, 0, (10,), (1,)),
        scalar=tensor(storage, 4, (), ()),
    )
    found = read_legacy_torch(legacy_file(state, [storage]))
    np.testing.assert_array_equal(found["transposed"], np.arange(1, 7).reshape(3, 2).T)
    assert found["transposed"].flags.c_contiguous
    np.testing.assert_array_equal(found["whole"], np.arange(10))
    assert found["scalar"] == 4


@pytest.mark.parametrize(
    "name",
    [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("torch", "load"), ("numpy", "load")],
    ids=".".join,
)
def test_a_hostile_file_runs_nothing(name, tmp_path, monkeypatch):
    witness = tmp_path / "witness"
    monkeypatch.setattr(os, "system", lambda command: witness.touch())
    with pytest.raises(DataError, match=f"names {name[0]}.{name[1]}"):
        read_legacy_torch(legacy_file(OrderedDict(weight=Named(*name, f"touch {witness}"))))
    assert not witness.exists()


def test_attributes_of_what_is_allowed_cannot_be_set():
    """An instruction that sets attributes could change a class or function for the whole process."""
    attack = b"\x80\x02ccollections\nOrderedDict\n}X\x07\x00\x00\x00witnessK\x01sb."
    with pytest.raises(DataError, match="sets attributes"):
        read_legacy_torch(io.BytesIO(pickle.dumps(MAGIC, 2) + pickle.dumps(PROTOCOL, 2) + attack))
    attack = attack.replace(b"collections\nOrderedDict", b"torch._utils\n_rebuild_tensor_v2")
    with pytest.raises(DataError, match="sets attributes"):
        read_legacy_torch(io.BytesIO(attack))
    assert not hasattr(OrderedDict, "witness")


def test_notes_that_torch_sets_on_a_state_dictionary_are_passed_over():
    state = OrderedDict(weight=tensor(storage := Storage("1", [1.0, 2.0]), 0, (2,), (1,)))
    state._metadata = OrderedDict(version=1)
    found = read_legacy_torch(legacy_file(state, [storage]))
    np.testing.assert_array_equal(found["weight"], [1.0, 2.0])


def test_a_hostile_reduce_in_the_first_pickle_is_refused_too(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'witness'}",)

    with pytest.raises(DataError, match="which no file of tensors needs"):
        read_legacy_torch(io.BytesIO(pickle.dumps(Attack(), protocol=2)))
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize(
    "placing",
    [(0, (11,), (1,)), (5, (6,), (1,)), (0, (2, 2), (9, 2)), (-1, (2,), (1,)), (9, (2,), (-1,)), (0, (99,), (0,))],
)
def test_a_tensor_outside_its_storage_is_refused(placing):
    storage = Storage("1", np.arange(10))
    with pytest.raises(DataError, match="outside its storage"):
        read_legacy_torch(legacy_file({"weight": tensor(storage, *placing)}, [storage]))


@pytest.mark.parametrize("count", [9, 11, -1, 2**40])
def test_a_storage_of_another_length_is_refused(count):
    storage = Storage("1", np.arange(10))
    with pytest.raises(DataError, match="declared"):
        read_legacy_torch(legacy_file({"weight": tensor(storage, 0, (10,), (1,))}, [storage], [count]))


def test_a_file_cut_short_is_refused():
    storage = Storage("1", np.arange(10))
    content = legacy_file({"weight": tensor(storage, 0, (10,), (1,))}, [storage]).getvalue()
    for length in range(len(content)):
        with pytest.raises(DataError):
            read_legacy_torch(io.BytesIO(content[:length]))


@given(st.binary(max_size=200))
def test_any_bytes_give_an_error_and_nothing_else(content):
    with pytest.raises(DataError):
        read_legacy_torch(io.BytesIO(content))
