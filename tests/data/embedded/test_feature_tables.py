"""Columns that are an embedding, in text tables, workbooks and Parquet files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.embedded import text_features
from magsig_tf.data.embedded.feature_columns import feature_columns
from magsig_tf.data.embedded.read import is_embedding_source, read_embedding_files
from magsig_tf.errors import DataError, UsageError
from tests.data.embedded.embedding_files import LENGTH, all_rows, embeddings, table, write_table


def wide(names="f{at}", rows=8):
    values = embeddings(rows)
    return pd.concat([table(rows), pd.DataFrame({names.format(at=at): values[:, at] for at in range(LENGTH)})], axis=1)


@pytest.mark.parametrize(
    ("header", "chosen", "expected"),
    [
        (["path", "f0", "f1", "f2", "f3", "age"], None, ["f0", "f1", "f2", "f3"]),
        (["f3", "f1", "f2", "f0"], None, ["f0", "f1", "f2", "f3"]),
        (["feat_1", "feat_2", "feat_3", "feat_4"], None, ["feat_1", "feat_2", "feat_3", "feat_4"]),
        (["0", "1", "2", "3"], None, ["0", "1", "2", "3"]),
        (["f000", "f001", "f002", "f003"], None, ["f000", "f001", "f002", "f003"]),
        (["u0", "u1", "u2", "u3", "v0", "v1", "v2", "v3"], "v", ["v0", "v1", "v2", "v3"]),
        (["u0", "u1", "0", "1"], "0", ["0", "1"]),
        (["stain1", "stain2", "f0", "f1", "f2", "f3", "id7"], None, ["f0", "f1", "f2", "f3"]),
    ],
)
def test_the_columns_of_an_embedding_are_those_with_running_numbers(header, chosen, expected):
    assert feature_columns(header, chosen, "x.csv") == expected


@pytest.mark.parametrize(
    ("header", "chosen", "words"),
    [
        (["path", "label"], None, "running names"),
        (["u0", "u1", "u2", "u3", "v0", "v1", "v2", "v3"], None, "features=WORD"),
        (["f0", "f1", "f2", "f4"], None, "none for 3"),
        (["f0", "f1", "f2", "f2000"], "f", "none for 3"),
        (["f1", "f01", "f2"], None, "'f1' and 'f01'"),
        (["f0", "f1"], "g", "Known: f"),
    ],
)
def test_columns_that_leave_a_doubt_are_refused(header, chosen, words):
    with pytest.raises((DataError, UsageError), match=words):
        feature_columns(header, chosen, "x.csv")


@pytest.mark.parametrize("piece", [120, 300, 1000, 2**20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_in_pieces_is_the_same_table(piece, end, tmp_path, monkeypatch):
    frame = wide(rows=40).assign(scanner='a "b",' + end + "c")
    text = frame.to_csv(index=False, lineterminator=end)
    (tmp_path / "x.csv").write_bytes(text.encode())
    monkeypatch.setattr(text_features, "PIECE", piece)
    read = read_embedding_files(tmp_path / "x.csv")
    assert read.table["path"].tolist() == frame["path"].tolist()
    assert read.table["scanner"].tolist() == frame["scanner"].tolist()
    np.testing.assert_allclose(all_rows(read)[:, 0], embeddings(40), rtol=1e-6)


@pytest.mark.parametrize("piece", [200, 2**20])
def test_a_cell_that_is_no_number_is_named_with_its_line(piece, tmp_path, monkeypatch):
    monkeypatch.setattr(text_features, "PIECE", piece)
    for value, found in (("", "found nothing"), ("1;2", "found '1;2'"), ("N/A", "found 'N/A'")):
        frame = wide(rows=20).astype(object)
        frame.loc[13, "f3"] = value
        with pytest.raises(DataError, match=rf"as f3 in x.csv, {found} in line 15"):
            read_embedding_files(write_table(tmp_path / "x.csv", frame))


def test_tables_of_spreadsheets_are_read_as_manifests_are(tmp_path):
    frame = wide("feat_{at}")
    text = frame.to_csv(index=False, sep=";", decimal=",")
    (tmp_path / "x.csv").write_bytes(("sep=;\n" + text).encode("utf-8-sig"))
    read = read_embedding_files(tmp_path / "x.csv")
    np.testing.assert_allclose(all_rows(read)[:, 0], embeddings(), rtol=1e-6)
    assert any("commas of 8 rows are read as decimal points" in note for note in read.notes)
    assert is_embedding_source(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_bytes(text.encode("utf-16"))
    np.testing.assert_allclose(all_rows(read_embedding_files(tmp_path / "y.csv"))[:, 0], embeddings(), rtol=1e-6)


def test_infinity_and_nan_in_a_table_are_not_finite(tmp_path):
    frame = wide().astype(object)
    frame.loc[2, "f1"] = "nan"
    with pytest.raises(DataError, match="Expected finite embeddings"):
        read_embedding_files(write_table(tmp_path / "x.csv", frame))


def test_one_of_two_groups_is_chosen_and_the_other_stays_a_column(tmp_path):
    frame = wide().assign(**{f"pca{at}": at for at in range(5)})
    frame.to_parquet(tmp_path / "x.parquet")
    for source in (write_table(tmp_path / "x.csv", frame), tmp_path / "x.parquet"):
        with pytest.raises(DataError, match="features=WORD"):
            read_embedding_files(source)
        read = read_embedding_files(source, arrays={"features": "f"})
        assert read.length == LENGTH
        assert read.table["pca3"].tolist() == ["3"] * 8


def test_parquet_keeps_float16_and_texts_of_any_kind(tmp_path):
    frame = table().assign(label=[row // 2 % 2 == 1 for row in range(8)], day=pd.Timestamp("2020-02-01"))
    frame["case"] = frame["case"].astype("category")
    frame["embedding"] = list(embeddings().astype(np.float16))
    frame.to_parquet(tmp_path / "x.parquet")
    read = read_embedding_files(tmp_path / "x.parquet")
    assert read.dtype == np.float16
    assert read.table["label"].tolist() == table()["label"].tolist()
    assert read.table["case"].tolist() == table()["case"].tolist()
    assert read.table["day"].iloc[0].startswith("2020-02-01")


def test_parquet_with_gaps_lists_of_two_lengths_or_damage_is_refused(tmp_path):
    frame = wide()
    frame.loc[3, "f2"] = None
    frame.to_parquet(tmp_path / "gap.parquet")
    with pytest.raises(DataError, match=r"found nothing in row 3|finite"):
        read_embedding_files(tmp_path / "gap.parquet")
    lists = table().assign(embedding=[[1.0, 2.0]] * 7 + [[1.0]])
    lists.to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(DataError, match="found 1 in row 7"):
        read_embedding_files(tmp_path / "lists.parquet")
    lists.assign(embedding=[[1.0, None]] * 8).to_parquet(tmp_path / "missing.parquet")
    with pytest.raises(DataError, match=r"8 missing|finite"):
        read_embedding_files(tmp_path / "missing.parquet")
    content = (tmp_path / "lists.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="readable Parquet"):
        read_embedding_files(tmp_path / "cut.parquet")
    table().to_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="running names"):
        read_embedding_files(tmp_path / "none.parquet")


def test_a_workbook_is_read_by_its_sheet(tmp_path):
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        wide().to_excel(book, sheet_name="uni", index=False)
        table().to_excel(book, sheet_name="notes", index=False)
    read = read_embedding_files(tmp_path / "x.xlsx", sheet="uni")
    np.testing.assert_allclose(all_rows(read)[:, 0], embeddings(), rtol=1e-6)


def test_a_parquet_manifest_joins_too(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, embeddings())
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    table().to_parquet(tmp_path / "tiles.parquet")
    read = read_embedding_files(tmp_path / "x.npy", tmp_path / "tiles.parquet")
    np.testing.assert_array_equal(all_rows(read)[:, 0], embeddings())
