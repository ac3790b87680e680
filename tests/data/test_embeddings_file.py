"""Files of embeddings: what training writes, what another model brings, and what is refused in one line."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.embeddings_file import read_embeddings, read_embeddings_of_others
from magsig_tf.errors import DataError


def arrays(**changed):
    rows = 6
    return {
        "embedding": np.arange(rows * 3, dtype=np.float64).reshape(rows, 3),
        "label": np.array([0, 1] * 3),
        "case": np.array([7, 7, 8, 8, 9, 9]),
        "magnification": np.array(["40X"] * rows),
        "split": np.array(["train"] * 3 + ["test"] * 3),
    } | changed


def written(tmp_path, **changed):
    path = tmp_path / "embeddings.npz"
    np.savez(path, **{name: value for name, value in arrays(**changed).items() if value is not None})
    return path


def test_a_strangers_file_is_read(tmp_path):
    read = read_embeddings(written(tmp_path))
    assert (len(read), read.dimensions, read.row) == (6, 3, None)
    assert read.embedding.dtype == np.float32
    assert list(read.of("test").case) == ["8", "9", "9"]


def test_the_file_of_a_run_is_read_and_its_images_are_found_by_number(tmp_path):
    row = np.array([3, 1, 2, 9, 4, 8])
    read = read_embeddings(written(tmp_path, split=None, part=arrays()["split"], row=row)).of("test")
    assert list(read.images(np.array([4, 8, 9])).embedding[:, 0]) == [12, 15, 9]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": None, "split": None}, "label, split"),
        ({"embedding": np.zeros(6)}, "shape (6,)"),
        ({"embedding": np.zeros((6, 0))}, "shape (6, 0)"),
        ({"embedding": np.array([["a"] * 3] * 6)}, "numbers"),
        ({"label": np.array([0, 1])}, "6 entries in label"),
        ({"label": np.array([0, 1, 2, 0, 1, 2])}, "found 0, 1, 2"),
        ({"label": np.array([0, 1, np.nan, 0, 1, 1])}, "nan"),
        ({"case": np.array([0.5] * 6)}, "as case"),
        ({"split": np.array(["training"] * 6)}, "found training"),
        ({"row": np.array([1, 2, 3, 4, 4, 4])}, "repeated"),
        ({"row": np.array([0.5] * 6)}, "as row"),
        ({"case": np.array([{}] * 6)}, "pickle"),
    ],
)
def test_what_is_not_as_documented_is_refused_with_what_was_found(tmp_path, changed, said):
    with pytest.raises(DataError) as caught:
        read_embeddings(written(tmp_path, **changed))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_counted(tmp_path, value):
    embedding = arrays()["embedding"]
    embedding[[2, 4], 1] = value
    with pytest.raises(DataError, match="2 of 6 rows, first row 2"):
        read_embeddings(written(tmp_path, embedding=embedding))


def test_no_file_and_a_single_array_are_refused(tmp_path):
    with pytest.raises(DataError, match="found none"):
        read_embeddings(tmp_path / "nothing.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(DataError, match="single array"):
        read_embeddings(tmp_path / "single.npy")
    with pytest.raises(DataError, match="readable"):
        read_embeddings(tmp_path)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_fuzz_damaged_files_give_an_error_or_the_arrays(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    whole = written(folder).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    middle = data.draw(st.binary(max_size=8))
    end = data.draw(st.sampled_from([whole[at + len(middle) :], b""]))
    (folder / "damaged.npz").write_bytes(whole[:at] + middle + end)
    with contextlib.suppress(DataError):
        assert np.isfinite(read_embeddings(folder / "damaged.npz").embedding).all()


@pytest.mark.parametrize(
    ("name", "cure"), [("case", "case.astype(str)"), ("split", "split.astype(str)"), ("label", "label.astype(int)")]
)
def test_a_column_of_a_table_is_named_with_its_cure(tmp_path, name, cure):
    with pytest.raises(DataError, match="found . as an array of objects".replace(".", name, 1)) as caught:
        read_embeddings(written(tmp_path, **{name: arrays()[name].astype(object)}))
    assert f"Write {cure} before numpy.savez" in str(caught.value)


def of_others(tmp_path, case, **changed):
    changed = {"case": np.array(case), "label": np.array([0, 0, 1, 1, 0, 1])} | changed
    return written(tmp_path, **changed)


GOOD = ["a", "a", "b", "c", "d", "c"]


def test_names_of_a_file_are_read_as_those_of_images(tmp_path):
    spellings = np.array(["40x", "40.0", "x40", "10", "10X", "40"])
    found = read_embeddings_of_others(of_others(tmp_path, ["a\u00a0", *GOOD[1:]], magnification=spellings))
    assert list(found.case) == GOOD
    assert list(found.magnification) == ["40X", "40X", "40X", "10X", "10X", "40X"]


def test_a_site_tells_equal_case_numbers_apart(tmp_path):
    site = np.array(["n", "n", "n", "s", "s", "s"])
    found = read_embeddings_of_others(of_others(tmp_path, ["1", "1", "2", "2", "1", "2"], site=site))
    assert list(found.case) == ["n/1", "n/1", "n/2", "s/2", "s/1", "s/2"]


@pytest.mark.parametrize(
    ("case", "changed", "said"),
    [
        (["a", "a", "b", "b", "a", "c"], {}, "found 2 of 3 cases on two sides, such as 'a' in train and in test"),
        (["a", "b", "c", "c", "d", "c"], {}, "found 1 of 4 cases on two sides, such as 'c' in train and in test"),
        (["a", "a", "a", "c", "d", "c"], {}, "found 1 of 3 cases with two, such as 'a' benign and malignant"),
        (["a", "a", "b", "c", "A", "c"], {}, "found a pair of names that may be one: 'A' and 'a' (letter case)"),
        (["a1", "a2", "b7", "c1", "c2", "b07"], {}, "'b07' and 'b7' (leading zeros)"),
        (GOOD, {"magnification": np.array(["Low", "low"] * 3)}, "'Low' and 'low' (letter case)"),
        (GOOD, {"magnification": np.array(["all"] * 6)}, "found 'all', a word of the command line"),
    ],
)
def test_a_split_that_would_leak_is_refused_with_the_count(tmp_path, case, changed, said):
    path = of_others(tmp_path, case, **changed)
    with pytest.raises(DataError) as caught:
        read_embeddings_of_others(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    read_embeddings(path)  # the files of our own runs have been split by us


def test_parts_of_one_side_may_share_cases(tmp_path):
    split = np.array(["validation", "validation_holdout", "train", "test", "in_domain_test", "test"])
    case = ["a", "a", "b", "c", "d", "c"]
    assert len(read_embeddings_of_others(of_others(tmp_path, case, split=split))) == 6


def test_names_that_are_exact_are_kept_apart(tmp_path):
    path = of_others(tmp_path, ["a", "a", "b", "c", "A", "c"], magnification=np.array(["Low", "low"] * 3))
    assert len(np.unique(read_embeddings_of_others(path, names_are_exact=True).case)) == 4
