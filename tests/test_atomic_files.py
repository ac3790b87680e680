"""A file is there whole, or the one before it still is."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf import atomic_files
from magsig_tf.atomic_files import read_json, replacing, write_json, write_text
from magsig_tf.errors import MagsigError


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    write_text(path, "Größe µm")
    assert path.read_text(encoding="utf-8") == "Größe µm"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"status": "running"})

    def be_interrupted():
        with replacing(path) as temporary:
            temporary.write_text("{half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert read_json(path) == {"status": "running"}
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_block_ends(tmp_path):
    path = tmp_path / "weights.npz"
    with replacing(path) as temporary:
        np.savez(temporary, a=np.arange(3))
        assert not path.exists()
        assert temporary.parent == path.parent
    with np.load(path) as stored:
        assert stored["a"].tolist() == [0, 1, 2]


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
    path = tmp_path / "x.json"
    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert path.read_text() == "1"


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MagsigError, match="--workspace"):
        write_text(tmp_path / "file" / "below.txt", "x")


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(MagsigError, match="found a folder, device or pipe"):
            write_text(tmp_path / name, "x")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_link_stays_a_link_and_its_file_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "numbers.csv"
    link.symlink_to("elsewhere/numbers.csv")
    write_text(link, "1")
    write_text(link, "2")
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "numbers.csv").read_text() == "2"


def test_not_a_number_is_refused_since_json_has_none(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": math.nan})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b'{"status": "do', b"", b"\xff\xfe", b"[" * 200_000, b"9" * 5000, b"[]"])
def test_a_damaged_file_names_itself_and_the_remedy(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(MagsigError, match=r"run\.json.*Move the file aside"):
        read_json(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), values, max_size=4))
def test_json_returns_as_it_went(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_json(path, value)
    assert read_json(path) == value == json.loads(path.read_text())


@pytest.mark.parametrize("name", ["a" * 251 + ".csv", "é" * 120 + ".parquet", "b." + "c" * 250])
def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path, name):
    write_text(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_says_so(tmp_path):
    with pytest.raises(MagsigError, match=r"found: File name too long\. Choose a shorter name"):
        write_text(tmp_path / ("a" * 300), "x")
    assert list(tmp_path.iterdir()) == []


def folders(tmp_path):
    """Return the place of a folder, a finished one for it, and where an old one waits."""
    place, finished, aside = tmp_path / "place", tmp_path / "finished", tmp_path / "aside"
    for folder, word in ((place, "old"), (finished, "new")):
        folder.mkdir()
        (folder / "word").write_text(word)
    return place, finished, aside


def test_a_folder_is_replaced_and_the_old_one_waits_aside(tmp_path):
    place, finished, aside = folders(tmp_path)
    atomic_files.replace_folder(place, finished, aside)
    assert ((place / "word").read_text(), (aside / "word").read_text()) == ("new", "old")
    assert not finished.exists()
    atomic_files.put_back(place, aside)  # nothing to do
    assert (place / "word").read_text() == "new"


def test_a_folder_that_a_kill_left_aside_is_put_back(tmp_path):
    place, _, aside = folders(tmp_path)
    place.rename(aside)
    atomic_files.put_back(place, aside)
    assert (place / "word").read_text() == "old"


def test_a_folder_that_cannot_be_replaced_stays(tmp_path):
    place, _, aside = folders(tmp_path)
    with pytest.raises(MagsigError):
        atomic_files.replace_folder(place, tmp_path / "missing", aside)
    assert (place / "word").read_text() == "old"
