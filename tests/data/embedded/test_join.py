"""Rows of a manifest and rows of embeddings belong together for certain, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.embedded.read import read_embedding_files
from magsig_tf.data.sources.csv_manifest import read_manifest
from magsig_tf.data.sources.label_words import LabelWords
from magsig_tf.errors import DataError, UsageError
from tests.data.embedded.embedding_files import all_rows, embeddings, shuffled, table, texts, write_table


def npz(folder, paths, **columns):
    np.savez(folder / "x.npz", features=embeddings(len(paths)), path=texts(paths), **columns)
    return folder / "x.npz"


@pytest.mark.parametrize(
    ("listed", "named", "how"),
    [
        ("tiles/{row}.png", "tiles/{row}.png", ""),
        ("tiles\\{row}.png", "tiles/{row}.png", ""),
        ("tiles/{row}.png", "/scratch/me/tiles/{row}.png", "the last 2 parts of the path"),
        ("a/{row}/0.png", "/b/a/{row}/0.png", "the last 3 parts of the path"),
        ("{row}.png", "/b/{row}/{row}.png", "the name of the file"),
        ("tiles/{row}.png", "{row}", "the name of the file without its ending"),
        ("tiles/{row}.ndpi", "other/{row}.h5", "the name of the file without its ending"),
        ("a/{row}.5", "b/{row}.5", "the name of the file"),
    ],
)
def test_paths_are_compared_as_strictly_as_they_can_be(listed, named, how, tmp_path):
    frame = table(path=listed)
    mixed, order = shuffled(frame, listed, named)
    names = [named.format(row=row) for row in range(8)]
    read = read_embedding_files(npz(tmp_path, names), write_table(tmp_path / "tiles.csv", mixed))
    assert read.table["path"].tolist() == sorted(path.replace("\\", "/") for path in frame["path"])
    np.testing.assert_array_equal(all_rows(read)[:, 0], embeddings(8))
    said = [note for note in read.notes if "are joined by" in note]
    assert said == ([f"tiles.csv and x.npz are joined by {how}"] if how else [])
    assert sorted(order) == list(range(8))


def test_names_that_are_not_unique_are_not_used(tmp_path):
    names = [f"/b/{row}/0.png" for row in range(8)]
    with pytest.raises(DataError, match="found several rows of one name of the file"):
        read_embedding_files(npz(tmp_path, names), write_table(tmp_path / "tiles.csv", table(path="a/x{row}/0.png")))
    with pytest.raises(DataError, match=r"Expected each path once in x.npz, found '/b/0/0.png' twice \(1 repeats\)"):
        read_embedding_files(npz(tmp_path, names[:7] + names[:1]), write_table(tmp_path / "t.csv", table()))
    doubled = table(path="b/{row}.png").assign(path=["b/0.png"] * 2 + [f"b/{row}.png" for row in range(2, 8)])
    with pytest.raises(DataError, match=r"Expected each path once in t.csv, found 'b/0.png' twice"):
        read_embedding_files(npz(tmp_path, names), write_table(tmp_path / "t.csv", doubled))


def test_rows_too_many_and_too_few_are_counted_with_the_first_examples(tmp_path):
    source = npz(tmp_path, [f"tiles/{row:03d}.png" for row in range(8)])
    with pytest.raises(DataError) as refused:
        read_embedding_files(source, write_table(tmp_path / "tiles.csv", table(10)[3:]))
    said = str(refused.value)
    assert "2 of 7 rows of tiles.csv without an embedding, such as 'tiles/008.png', 'tiles/009.png'" in said
    assert "3 of 8 embeddings that it does not list, such as 'tiles/000.png', 'tiles/001.png', 'tiles/002.png'" in said


def test_the_table_is_that_of_the_csv_source(tmp_path):
    frame = (
        table()
        .assign(label=["cyst", "cyst", "tumor", "tumor"] * 2, width=3, slide="s")
        .rename(columns={"case": "Patient", "label": "Diagnosis"})
    )
    manifest = write_table(tmp_path / "tiles.csv", shuffled(frame, "as CSV")[0])
    columns, labels = {"case": "Patient", "label": "Diagnosis"}, LabelWords("benign=cyst,malignant=tumor")
    read = read_embedding_files(npz(tmp_path, frame["path"].tolist()), manifest, columns=columns, labels=labels)
    expected = read_manifest(manifest, columns, labels)
    assert read.table.equals(expected.table)
    assert set(expected.notes) <= set(read.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "maybe"}, "'maybe' in line 2"),
        ({"case": ""}, "Expected a case"),
        ({"path": ""}, "found none in line 2"),
        ({"path": "a\x1bb"}, r"found 'a\\\\x1bb' in line 2"),
        ({"magnification": "=1+1"}, "formula"),
        ({"label": ["benign", "malignant"] * 4}, "label"),
    ],
)
def test_a_manifest_is_checked_as_that_of_images_is(change, words, tmp_path):
    frame = table()
    for column, value in change.items():
        frame.loc[range(len(value)) if isinstance(value, list) else [0], column] = value
    with pytest.raises(DataError, match=words):
        read_embedding_files(npz(tmp_path, table()["path"].tolist()), write_table(tmp_path / "t.csv", frame))


def test_a_manifest_without_paths_joins_by_order_only_where_no_row_is_named(tmp_path):
    manifest = write_table(tmp_path / "t.csv", table().drop(columns="path"))
    np.savez(tmp_path / "x y.npz", features=embeddings())
    read = read_embedding_files(tmp_path / "x y.npz", manifest)
    assert read.table["path"].tolist() == [f"x-y#{row}" for row in range(8)]
    np.testing.assert_array_equal(all_rows(read)[:, 0], embeddings())
    with pytest.raises(DataError, match=r"Expected a column path in t.csv"):
        read_embedding_files(npz(tmp_path, table()["path"].tolist()), manifest)
    with pytest.raises(UsageError, match="Diagnosis"):
        read_embedding_files(npz(tmp_path, table()["path"].tolist()), manifest, columns={"label": "Diagnosis"})


def test_what_the_file_says_of_its_rows_has_to_agree_where_the_order_alone_joins_them(tmp_path):
    frame = table()
    manifest = write_table(tmp_path / "t.csv", frame)
    paths = frame["path"].tolist()
    other = texts(["Q" + case for case in frame["case"]])
    spelled = texts([{"100X": "x100", "400X": "400.0"}[name] for name in frame["magnification"]])
    by_path = read_embedding_files(npz(tmp_path, paths, case=other, magnification=spelled), manifest)
    assert any("8 of 8 rows where x.npz says another case" in note for note in by_path.notes)
    assert not any("another magnification" in note for note in by_path.notes)
    assert by_path.table["case"].tolist() == frame["case"].tolist()
    np.savez(tmp_path / "y.npz", features=embeddings(), case=other)
    with pytest.raises(DataError, match=r"8 of 8 rows where y.npz says another case"):
        read_embedding_files(tmp_path / "y.npz", manifest)
    read = read_embedding_files(npz(tmp_path, paths, label=texts(["lobular"] * 8)), manifest)
    assert any("in other words" in note for note in read.notes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("ab/.", min_size=1, max_size=6), min_size=2, max_size=6, unique=True), st.data())
def test_a_joined_row_has_the_embedding_of_its_own_name(tmp_path_factory, paths, data):
    folder = tmp_path_factory.mktemp("join")
    front = data.draw(st.sampled_from(["", "/scratch/x/"]))
    order = data.draw(st.permutations(range(len(paths))))
    source = npz(folder, [front + paths[row] for row in order])
    manifest = write_table(folder / "t.csv", table(len(paths)).assign(path=paths))
    try:
        read = read_embedding_files(source, manifest)
    except DataError:
        return
    by_path = dict(zip(read.table["path"], all_rows(read)[:, 0], strict=True))
    stored = embeddings(len(paths))
    for at, row in enumerate(order):
        np.testing.assert_array_equal(by_path[paths[row]], stored[at])
