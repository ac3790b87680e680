"""The reader of safetensors files: every kind of number, and every header that lies."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.data.embedded.safetensors_arrays import SafetensorsError, as_float32, mapped, read_header
from tests.models.encoders.transformer_folders import write_safetensors


def file_of(path, header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def entry(start=0, stop=4, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def test_arrays_come_back_with_what_the_file_says_of_itself(tmp_path):
    arrays = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "empty": np.empty((0, 3), "<f4"), "n": np.array([7], "<i8")}
    write_safetensors(tmp_path / "file.safetensors", arrays, {"n": "I64"})
    tensors, said = read_header(tmp_path / "file.safetensors")
    assert said == {"format": "pt"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(mapped(tmp_path / "file.safetensors", tensors[name]), array)


@pytest.mark.parametrize(("kind", "dtype"), [("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2")])
def test_floating_point_numbers_become_float32(kind, dtype, tmp_path):
    write_safetensors(tmp_path / "file", {"a": np.array([1.5, -2.25], dtype)}, {"a": kind})
    found = as_float32(tmp_path / "file", read_header(tmp_path / "file")[0]["a"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1.5, -2.25])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    bits = (np.array([1.5, -3.0], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    write_safetensors(tmp_path / "file", {"a": bits}, {"a": "BF16"})
    np.testing.assert_array_equal(as_float32(tmp_path / "file", read_header(tmp_path / "file")[0]["a"]), [1.5, -3.0])


def test_whole_numbers_are_no_weights(tmp_path):
    write_safetensors(tmp_path / "file", {"a": np.array([1], "<i8")}, {"a": "I64"})
    with pytest.raises(SafetensorsError, match="floating-point"):
        as_float32(tmp_path / "file", read_header(tmp_path / "file")[0]["a"])


@pytest.mark.parametrize(
    ("header", "content", "message"),
    [
        (b"{", b"", "no JSON"),
        (b"[]", b"", "no JSON object"),
        (b"[" * 10**5, b"", "no JSON"),
        (b'{"a": 1, "a": 2}', b"", "twice"),
        ({"a": 1}, b"", "no dtype"),
        ({"__metadata__": {"n": 1}}, b"", "metadata"),
        ({"a": entry(shape=(2,))}, b"1234", "4 bytes for 'a'"),
        ({"a": entry(shape=(-1,))}, b"1234", "no whole numbers"),
        ({"a": entry(shape=(True,))}, b"1234", "no whole numbers"),
        ({"a": entry(4, 0)}, b"1234", "wrong order"),
        ({"a": entry()}, b"12345678", "8 in the file"),
        ({"a": entry()}, b"12", "2 in the file"),
        ({"a": entry(), "b": entry()}, b"1234", "two arrays"),
        ({"a": entry(), "b": entry(8, 12)}, b"123456789012", "no array"),
        ({"a": entry(shape=[1] * 33)}, b"1234", "no whole numbers"),
    ],
)
def test_a_header_that_lies_is_refused(header, content, message, tmp_path):
    with pytest.raises(SafetensorsError, match=message):
        read_header(file_of(tmp_path / "file", header, content))


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(SafetensorsError, match="in a file of 10"):
        read_header(tmp_path / "file")


@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    try:
        tensors, _ = read_header(path)
    except SafetensorsError:
        return
    assert all(tensor.stop <= len(content) for tensor in tensors.values())
