"""HDF5 files: one file, a file for each slide, and what no reader should open."""

from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.embedded import hdf5
from magsig_tf.data.embedded.read import is_embedding_source, read_embedding_files
from magsig_tf.errors import DataError
from tests.data.embedded.embedding_files import (
    LENGTH,
    all_rows,
    embeddings,
    read_or_refused,
    table,
    write_h5,
    write_table,
)

SLIDES = ("S1", "S2", "S3", "S4")


def slides(folder, *, coords=True, leading_axis=False, order=SLIDES):
    """Write a file for each slide, as CLAM and TRIDENT do, and a table with a row for each slide."""
    values = embeddings(len(SLIDES) * 3).reshape(len(SLIDES), 3, LENGTH)
    for slide, numbers in zip(SLIDES, values, strict=True):
        parts = {"features": numbers[None] if leading_axis else numbers}
        if coords:
            parts["coords"] = np.array([[0, 0], [512, 0], [0, 512]])
        path = write_h5(folder / f"{slide}.h5", **parts)
        with h5py.File(path, "a") as file:
            file["features"].attrs["encoder"] = "uni_v1"
            file["features"].attrs["name"] = slide
    frame = table(len(SLIDES), path="{row}").assign(path=list(SLIDES))
    frame = frame.set_index("path").loc[list(order)].reset_index()
    return folder, frame, values


@pytest.mark.parametrize("ending", ["", ".svs", ".h5"])
@pytest.mark.parametrize("leading_axis", [False, True])
def test_a_folder_of_slides_takes_a_manifest_with_a_row_for_each_slide(ending, leading_axis, tmp_path):
    folder, frame, values = slides(tmp_path / "uni", leading_axis=leading_axis, order=SLIDES[::-1])
    manifest = write_table(tmp_path / "slides.csv", frame.assign(path=frame["path"] + ending))
    assert is_embedding_source(folder)
    read = read_embedding_files(folder, manifest)
    expected = [f"{slide}/{place}" for slide in SLIDES for place in ("0_0", "0_512", "512_0")]
    assert read.table["path"].tolist() == expected
    np.testing.assert_array_equal(all_rows(read)[:, 0], values[:, [0, 2, 1]].reshape(-1, LENGTH))
    assert read.table["slide"].tolist() == [slide for slide in SLIDES for _ in range(3)]
    by_case = dict(zip(frame["path"], frame["case"], strict=True))
    assert read.table["case"].tolist() == [by_case[slide] for slide in SLIDES for _ in range(3)]
    assert read.attributes == {"encoder": "uni_v1"}
    assert any("a row for each slide" in note for note in read.notes)


def test_a_folder_of_slides_takes_a_manifest_with_a_row_for_each_tile(tmp_path):
    folder, _, values = slides(tmp_path / "uni" / "20x", coords=False)
    assert is_embedding_source(folder.parent)
    paths = [f"20x/{slide}#{tile}" for slide in SLIDES for tile in range(3)]
    frame = table(12).assign(path=paths)
    read = read_embedding_files(folder.parent, write_table(tmp_path / "tiles.csv", frame))
    assert read.table["path"].tolist() == paths
    np.testing.assert_array_equal(all_rows(read)[:, 0], values.reshape(-1, LENGTH))


def test_slides_too_many_and_too_few_are_counted_with_examples(tmp_path):
    folder, frame, _ = slides(tmp_path / "uni")
    less = write_table(tmp_path / "less.csv", frame[:3])
    with pytest.raises(DataError, match=r"1 of 4 embeddings that it does not list, such as 'S4'"):
        read_embedding_files(folder, less)
    (folder / "S2.h5").unlink()
    with pytest.raises(DataError, match=r"1 of 4 rows of slides.csv without an embedding, such as 'S2'"):
        read_embedding_files(folder, write_table(tmp_path / "slides.csv", frame))


def test_one_vector_a_slide_is_one_row_a_slide(tmp_path):
    values = embeddings(4)
    for slide, vector in zip(SLIDES, values, strict=True):
        write_h5(tmp_path / "titan" / f"{slide}.h5", features=vector)
    frame = table(4).assign(path=list(SLIDES))
    read = read_embedding_files(tmp_path / "titan", write_table(tmp_path / "slides.csv", frame))
    assert read.table["path"].tolist() == list(SLIDES)
    np.testing.assert_array_equal(all_rows(read)[:, 0], values)


def test_slides_of_two_encoders_are_refused(tmp_path):
    folder, frame, _ = slides(tmp_path / "uni")
    write_h5(folder / "S3.h5", features=embeddings(3, 9))
    with pytest.raises(DataError, match=r"found 9 in S3.h5"):
        read_embedding_files(folder, write_table(tmp_path / "slides.csv", frame))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found 0"):
        read_embedding_files(tmp_path / "empty")


def test_a_dataset_in_a_group_is_read_where_it_is_named(tmp_path):
    values, frame = embeddings(), table()
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["models/uni"] = values
        file["tiles/names"] = frame["path"].to_numpy().astype(object)
    arrays = {"features": "models/uni", "path": "tiles/names"}
    read = read_embedding_files(tmp_path / "x.h5", write_table(tmp_path / "t.csv", frame[::-1]), arrays=arrays)
    np.testing.assert_array_equal(all_rows(read)[:, 0], values)


def external_link(file, values):
    file["features"] = h5py.ExternalLink("/etc/passwd", "/features")


def soft_link(file, values):
    file["other"] = values
    file["features"] = h5py.SoftLink("/other")


def virtual(file, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", values.shape)
    file.create_virtual_dataset("features", layout)


def external_storage(file, values):
    file.create_dataset("features", values.shape, values.dtype, external=[("/etc/passwd", 0, values.nbytes)])


def references(file, values):
    file.create_dataset("features", (8, 6), h5py.ref_dtype)


def ragged(file, values):
    file.create_dataset("features", (8,), h5py.vlen_dtype(np.float32))


def fields(file, values):
    file.create_dataset("features", (8, 6), [("a", "f4"), ("b", "f4")])


def unknown_filter(file, values):
    file.create_dataset("features", data=values, chunks=values.shape, scaleoffset=3)


def twice_filtered(file, values):
    pipeline = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    pipeline.set_chunk(values.shape)
    pipeline.set_deflate(9)
    pipeline.set_deflate(9)
    space = h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, space, pipeline)


def declared_only(file, values):
    file.create_dataset("features", (10**9, 1024), np.float32, chunks=(1, 1024))


def zeros_alone(file, values):
    file.create_dataset("features", data=np.zeros((20_000, 1024), np.float32), chunks=(1000, 1024), compression=9)


def huge_chunk(file, values):
    file.create_dataset("features", (8, 6), np.float32, chunks=(20, 2**20), maxshape=(None, None))


def long_rows(file, values):
    file.create_dataset("features", (1, 2**23 + 1), np.float32, chunks=(1, 2**20))


def growing_chunk(file, values):
    shape = (8, 1024)
    dataset = file.create_dataset("features", shape, np.float32, chunks=shape, compression=1)
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(40 * 10**6)))


def texts_alone(file, values):
    file["features"] = np.array([["a", "b"]] * 8, dtype="S1")


def one_number(file, values):
    file["features"] = 1.0


def four_axes(file, values):
    file["features"] = np.zeros((2, 2, 2, 2))


def no_rows(file, values):
    file["features"] = np.zeros((0, 6), np.float32)


def nothing(file, values):
    file["images"] = values


def other_length(file, values):
    file["features"] = values
    file["label"] = np.zeros(7, int)


def long_text(file, values):
    file["features"] = values
    file["path"] = np.array(["a" * 20_000] * 8, dtype=object)


def wrong_coords(file, values):
    file["features"] = values
    file["coords"] = np.zeros((8, 3))


HOSTILE = [
    *[(external_link, "is a link"), (soft_link, "is a link"), (virtual, "virtual"), (external_storage, "another file")],
    *[(references, "objects"), (ragged, "objects"), (fields, "objects"), (unknown_filter, "not built in")],
    *[(twice_filtered, "twice"), (declared_only, "no real one"), (zeros_alone, "no real one"), (huge_chunk, "80 MiB")],
    *[(long_rows, "8,388,608"), (texts_alone, "real numbers"), (one_number, "shape"), (four_axes, "shape")],
    *[(no_rows, r"\(0, 1, 6\)"), (nothing, "features=THEIRS"), (other_length, "label"), (long_text, "10,000 letters")],
    *[(wrong_coords, "x and y"), (growing_chunk, "chunks of 32,768 bytes")],
]


@pytest.mark.parametrize(("write", "words"), HOSTILE, ids=[write.__name__ for write, _ in HOSTILE])
def test_what_is_no_plain_dataset_is_refused_with_a_word(write, words, tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_SMALL", 4096)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write(file, embeddings())
    with pytest.raises(DataError, match=words) as refused:
        read_embedding_files(tmp_path / "x.h5", write_table(tmp_path / "tiles.csv", table()))
    assert "\n" not in str(refused.value)


def test_a_damaged_file_and_a_chunk_that_is_none_are_told_in_one_line(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="readable HDF5 file"):
        read_embedding_files(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        dataset = file.create_dataset("features", (8, 6), np.float32, chunks=(8, 6), compression=1)
        dataset.id.write_direct_chunk((0, 0), b"no zlib")
    with pytest.raises(DataError, match="readable HDF5 file"):
        read_embedding_files(tmp_path / "y.h5", write_table(tmp_path / "tiles.csv", table()))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_layout_of_a_file_is_read_or_refused(tmp_path_factory, data):
    rows = data.draw(st.integers(1, 9))
    shape = data.draw(st.sampled_from([(rows, 3), (rows, 2, 3), (1, rows, 3), (3,), (rows, 3, 1, 1), (rows, 0)]))
    dtype = data.draw(st.sampled_from(["<f4", ">f4", "<f2", "<f8", "<i4", "|u1", "|b1", "<c8", "S3"]))
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    chunks = data.draw(st.sampled_from([None, True])) if 0 not in shape else None
    filters = data.draw(st.sampled_from([None, "gzip", "lzf"])) if chunks else None
    coords = data.draw(st.sampled_from([None, (rows, 2), (1, rows, 2), (rows + 1, 2), (rows, 3)]))
    path = tmp_path_factory.getbasetemp() / "layout.h5"
    with h5py.File(path, "w", userblock_size=data.draw(st.sampled_from([0, 512]))) as file:
        file.create_dataset("features", data=values, chunks=chunks, compression=filters)
        if coords:
            file["coords"] = np.arange(np.prod(coords)).reshape(coords)
        file["label"] = np.arange(rows) % 2
        file["case"] = np.arange(rows)
        file["magnification"] = np.full(rows, 40)
    read = read_or_refused(path)
    if isinstance(read, str):
        assert "\n" not in read
        return
    found = all_rows(read)
    assert found.shape == (len(read.table), read.views, read.length)
    assert found.dtype == read.dtype
    assert len(read.table) == rows
    in_file = values.reshape(rows, read.views, read.length).astype(read.dtype)
    order = [read.table["case"].astype(int).tolist().index(row) for row in range(rows)]
    np.testing.assert_array_equal(found[order], in_file)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12))
def test_changed_bytes_of_a_file_are_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / "changed.h5"
    columns = {"label": np.arange(8) % 2, "case": np.arange(8), "magnification": np.full(8, 40)}
    write_h5(path, features=embeddings(), **columns)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path.write_bytes(bytes(content))
    read = read_or_refused(path)
    assert "\n" not in read if isinstance(read, str) else len(read.table) == 8
