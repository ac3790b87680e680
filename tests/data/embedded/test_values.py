"""Numbers that are no embedding are refused with their count; strange ones are counted."""

from __future__ import annotations

import numpy as np
import pytest

from magsig_tf.data.embedded import stored
from magsig_tf.data.embedded.read import read_embedding_files
from magsig_tf.errors import DataError
from tests.data.embedded.embedding_files import all_rows, embeddings, table, texts, write_table


def read(folder, values):
    frame = table(len(values))
    np.savez(folder / "x.npz", features=values, path=texts(frame["path"]))
    return read_embedding_files(folder / "x.npz", write_table(folder / "tiles.csv", frame))


@pytest.mark.parametrize("block", [2**20, 48])
def test_strange_rows_and_columns_are_counted(block, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK", block)
    values = embeddings(20)
    values[3] = 0
    values[9] = 0
    values[12] = values[11]
    values[15] = values[11]
    values[:, 4] = 7
    values[3, 4] = values[9, 4] = 7
    assert read(tmp_path, values).findings == {"zero_rows": 0, "constant_dimensions": 1, "duplicated_rows": 3}
    values[[3, 9]] = 0
    assert read(tmp_path, values).findings == {"zero_rows": 2, "constant_dimensions": 0, "duplicated_rows": 3}


def test_a_view_of_zeros_counts_its_row_once(tmp_path):
    values = embeddings(6, views=3)
    values[2, 1:] = 0
    assert read(tmp_path, values).findings["zero_rows"] == 1


@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_the_first_rows(what, tmp_path):
    values = embeddings(10)
    values[[1, 4, 5, 8], 2] = what
    with pytest.raises(DataError) as refused:
        read(tmp_path, values)
    rows = "in 4 of 10 rows, such as 'tiles/001.png', 'tiles/004.png', 'tiles/005.png'"
    assert rows in str(refused.value)
    assert "float16" not in str(refused.value)


def test_an_overflow_of_float16_is_called_so(tmp_path):
    values = embeddings(10)
    values[2, 1] = 70_000
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    with pytest.raises(DataError, match=r"1 infinite numbers in 1 of 10 rows.*float16 overflows beyond 65,504"):
        read(tmp_path, halves)


def test_float64_becomes_float32_and_what_it_cannot_hold_is_said(tmp_path):
    values = embeddings().astype(np.float64)
    values[0, 0] = 1e-60
    found = read(tmp_path, values)
    np.testing.assert_array_equal(all_rows(found)[:, 0], values.astype(np.float32))
    assert any("rounded to float32" in note and "1 numbers below" in note for note in found.notes)
    values[1, 0] = 1e60
    with pytest.raises(DataError, match=r"within the range of float32 in x.npz, found 1 larger numbers in 1 of 8 rows"):
        read(tmp_path, values)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_whole_numbers_are_read_without_loss_or_refused(dtype, tmp_path):
    values = (embeddings() * 20).astype(dtype)
    found = read(tmp_path, values)
    assert found.dtype == np.float32
    assert any("without loss" in note for note in found.notes)
    np.testing.assert_array_equal(all_rows(found)[:, 0], values)
    if dtype is np.int64:
        values[0, 0] = 2**24 + 1
        with pytest.raises(DataError, match="at most 16,777,216"):
            read(tmp_path, values)


@pytest.mark.parametrize("values", [np.ones((8, 6), bool), np.ones((8, 6), complex), np.full((8, 6), "a")])
def test_what_is_no_real_number_is_refused(values, tmp_path):
    with pytest.raises(DataError, match="Expected real numbers"):
        read(tmp_path, values)


def test_numbers_of_another_byte_order_are_the_same_numbers(tmp_path):
    found = read(tmp_path, embeddings().astype(">f4"))
    assert found.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(all_rows(found)[:, 0], embeddings())
