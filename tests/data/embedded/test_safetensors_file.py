"""safetensors files: the header is believed in nothing that the file does not bear out."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.embedded.read import read_embedding_files
from magsig_tf.data.embedded.safetensors_arrays import read_header
from magsig_tf.errors import DataError
from tests.data.embedded.embedding_files import (
    LENGTH,
    all_rows,
    embeddings,
    read_or_refused,
    safetensors_bytes,
    table,
    write_safetensors,
    write_table,
)


def described(kind="F32", shape=(8, LENGTH), offsets=(0, 192), name="features"):
    return {name: {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}}


@pytest.mark.parametrize(
    ("stored", "kind", "dtype"),
    [("<f4", None, np.float32), ("<f2", None, np.float16), ("<f8", None, np.float32), ("<u2", "BF16", np.float32)],
)
def test_every_kind_of_float_is_read(stored, kind, dtype, tmp_path):
    # numbers of eight significant bits are the same in all kinds
    values = np.round(embeddings() * 16) / 16
    bits = (values.view(np.uint32) >> 16).astype(np.uint16) if kind else values.astype(stored)
    path = write_safetensors(tmp_path / "x.safetensors", {"uni": bits}, {"uni": kind} if kind else None)
    read = read_embedding_files(path, write_table(tmp_path / "tiles.csv", table()))
    assert read.dtype == dtype
    np.testing.assert_array_equal(all_rows(read)[:, 0], values)
    assert read.attributes == {"encoder": "made up"}
    assert any("rounded" in note for note in read.notes) == (stored == "<f8")
    assert any("bfloat16" in note for note in read.notes) == bool(kind)


def test_whole_numbers_beside_the_embeddings_are_columns(tmp_path):
    label, case, row = (np.array(each, dtype="<i8") for each in ([0, 0, 1, 1], [0, 0, 1, 1], [3, 2, 1, 0]))
    arrays = {"features": embeddings(4), "label": label, "case": case, "magnification": row % 2 + 10, "row": row}
    read = read_embedding_files(write_safetensors(tmp_path / "x.safetensors", arrays))
    assert read.table["path"].tolist() == ["x#0", "x#1", "x#2", "x#3"]
    np.testing.assert_array_equal(all_rows(read)[:, 0], embeddings(4)[::-1])


DATA = embeddings().tobytes()
HOSTILE = {
    "an empty file": b"",
    "a header longer than the file": (2**63).to_bytes(8, "little") + b"{}",
    "a header that is no JSON": safetensors_bytes(b"{", DATA),
    "a header that is no UTF-8": safetensors_bytes(b"\xff\xfe", DATA),
    "a header of lists in lists": safetensors_bytes(b"[" * 100_000, DATA),
    "a header that is a list": safetensors_bytes(b"[]", DATA),
    "a number of too many digits": safetensors_bytes(b'{"x": ' + b"9" * 5000 + b"}", DATA),
    "a name twice": safetensors_bytes(
        json.dumps(described()).encode()[:-1] + b"," + json.dumps(described()).encode()[1:], DATA
    ),
    "bytes of nobody at the end": safetensors_bytes(described(), DATA + b"\0"),
    "bytes of nobody before": safetensors_bytes(described(offsets=(4, 196)), bytes(4) + DATA),
    "two that overlap": safetensors_bytes(described() | described(name="y"), DATA),
    "an array longer than the file": safetensors_bytes(described(shape=(9, LENGTH), offsets=(0, 216)), DATA),
    "another length than the shape": safetensors_bytes(described(shape=(9, LENGTH)), DATA),
    "a shape beyond all numbers": safetensors_bytes(described(shape=(2**61, 2**61)), DATA),
    "a negative length": safetensors_bytes(described(shape=(-8, -LENGTH)), DATA),
    "offsets in the wrong order": safetensors_bytes(described("F8", offsets=(192, 0)), DATA),
    "offsets that are no numbers": safetensors_bytes(described(offsets=(0.0, 192)), DATA),
    "a length that is a truth value": safetensors_bytes(described(shape=(True, 48)), DATA),
    "no offsets": safetensors_bytes({"features": {"dtype": "F32", "shape": [8, 6]}}, DATA),
    "a text for an array": safetensors_bytes({"features": "F32"}, DATA),
    "metadata that are no texts": safetensors_bytes(described() | {"__metadata__": {"a": 1}}, DATA),
    "a kind that numpy lacks": safetensors_bytes(described("F8_E4M3", (8, 24)), DATA),
    "no embeddings": safetensors_bytes(described(shape=(48,)), DATA),
    "no rows": safetensors_bytes(described(shape=(0, 6), offsets=(0, 0))),
    "truth values": safetensors_bytes(described("BOOL", (8, 24)), DATA),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_contradicts_itself_is_refused_in_one_line(what, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(HOSTILE[what])
    with pytest.raises(DataError, match=r"x\.safetensors") as refused:
        read_embedding_files(tmp_path / "x.safetensors", write_table(tmp_path / "tiles.csv", table()))
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "U8", "F8"]) | JSON,
        "shape": st.lists(st.integers(0, 6), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(0, 64), min_size=2, max_size=2) | JSON,
    }
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["features", "x", "__metadata__"]), ENTRY | JSON), st.binary(max_size=64))
def test_what_is_read_of_any_header_lies_in_the_file(tmp_path_factory, header, data):
    path = tmp_path_factory.getbasetemp() / "header.safetensors"
    path.write_bytes(safetensors_bytes(header, data))
    origin = path.stat().st_size - len(data)
    with contextlib.suppress(ValueError):
        tensors, said = read_header(path)
        taken = sorted((tensor.start, tensor.stop) for tensor in tensors.values())
        assert sum(stop - start for start, stop in taken) == len(data)
        assert all(origin <= start <= stop <= origin + len(data) for start, stop in taken)
        assert all(isinstance(text, str) for text in said.values())
    read = read_or_refused(path)
    assert "\n" not in read if isinstance(read, str) else read.length
