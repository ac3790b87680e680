"""Embeddings of any model: every kind of file gives the same rows, whatever their order."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.embedded import stored
from magsig_tf.data.embedded.read import is_embedding_source, read_embedding_files
from magsig_tf.errors import DataError, MagsigError, UsageError
from tests.data.embedded.embedding_files import (
    LENGTH,
    all_rows,
    embeddings,
    shuffled,
    table,
    texts,
    write_h5,
    write_safetensors,
    write_table,
)

KNOWN = ["label", "magnification", "case", "site", "scanner"]


def written(kind: str, folder: Path, values: np.ndarray, paths: list[str]) -> tuple[Path, dict[str, str]]:
    """Write embeddings with their paths as one kind of file has them; safetensors and NPY have none."""
    numbers = {f"f{at}": values[:, at] for at in range(values.shape[1])}
    if kind == "npz":
        np.savez(folder / "x.npz", embedding=values, path=texts(paths))
    elif kind == "compressed.npz":
        np.savez_compressed(folder / "x.npz", feats=values, names=texts(paths))
    elif kind == "npy":
        np.save(folder / "x.npy", values)
    elif kind == "h5":
        write_h5(folder / "x.h5", features=values, paths=paths)
    elif kind == "gzip.h5":
        with h5py.File(folder / "x.h5", "w") as file:
            chunks = (2, values.shape[1])
            file.create_dataset(
                "features", data=values, chunks=chunks, compression="gzip", shuffle=True, fletcher32=True
            )
            file["path"] = np.array(paths, dtype="S20")
    elif kind == "parquet":
        pd.DataFrame({"path": paths, **numbers}).to_parquet(folder / "x.parquet")
    elif kind == "lists.parquet":
        pd.DataFrame({"path": paths, "embedding": list(values)}).to_parquet(folder / "x.parquet")
    elif kind in ("csv", "tsv"):
        frame = pd.DataFrame({"path": paths, **numbers})
        frame.to_csv(folder / f"x.{kind}", index=False, sep="," if kind == "csv" else "\t")
    elif kind == "xlsx":
        pd.DataFrame({"path": paths, **numbers}).to_excel(folder / "x.xlsx", index=False)
    else:
        write_safetensors(folder / "x.safetensors", {"features": values})
    arrays = {"features": "feats"} if kind == "compressed.npz" else {}
    return next(path for path in folder.iterdir() if path.stem == "x"), arrays


NAMED = ["npz", "compressed.npz", "h5", "gzip.h5", "parquet", "lists.parquet", "csv", "tsv", "xlsx"]


@pytest.mark.parametrize("kind", NAMED)
def test_every_kind_joins_a_manifest_in_any_order_by_path(kind, tmp_path):
    values, frame = embeddings(), table()
    mixed, order = shuffled(frame, kind)
    source, arrays = written(kind, tmp_path, values[order], mixed["path"].tolist())
    manifest = write_table(tmp_path / "tiles.csv", shuffled(frame, "manifest")[0])
    read = read_embedding_files(source, manifest, arrays=arrays)
    assert (read.length, read.views, read.dtype) == (LENGTH, 1, np.float32)
    assert read.table["path"].tolist() == frame["path"].tolist()
    assert read.table[KNOWN].to_numpy().tolist() == frame[KNOWN].to_numpy().tolist()
    np.testing.assert_allclose(all_rows(read)[:, 0], values, rtol=1e-6)
    assert read.findings == {"zero_rows": 0, "constant_dimensions": 0, "duplicated_rows": 0}
    assert set(read.files) == {source, manifest}
    assert is_embedding_source(source) == (kind != "xlsx")


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_a_file_without_names_joins_by_the_order_of_the_rows_and_says_so(kind, tmp_path):
    values, frame = embeddings(), table()
    mixed, order = shuffled(frame, kind)
    source, _ = written(kind, tmp_path, values[order], [])
    read = read_embedding_files(source, write_table(tmp_path / "tiles.csv", mixed))
    np.testing.assert_array_equal(all_rows(read)[:, 0], values)
    assert any("in their order" in note for note in read.notes)
    with pytest.raises(DataError, match="7 rows"):
        read_embedding_files(source, write_table(tmp_path / "less.csv", mixed[1:]))


def test_without_a_manifest_the_file_says_itself_what_its_rows_are(tmp_path):
    values, frame = embeddings(), table()
    numbers = pd.DataFrame({f"feat_{at}": values[:, at] for at in range(LENGTH)})
    pd.concat([frame, numbers], axis=1).to_csv(tmp_path / "x.csv", index=False)
    pd.concat([frame, numbers], axis=1).to_parquet(tmp_path / "x.parquet")
    columns = {name: frame[name].to_numpy(str) for name in frame}
    np.savez(tmp_path / "x.npz", features=values, **columns)
    write_h5(tmp_path / "x.h5", features=values, **columns)
    for name in ("x.csv", "x.parquet", "x.npz", "x.h5"):
        read = read_embedding_files(tmp_path / name)
        assert read.table[[*frame]].to_numpy().tolist() == frame.to_numpy().tolist(), name
        np.testing.assert_allclose(all_rows(read)[:, 0], values, rtol=1e-6)


def test_the_embeddings_of_a_run_are_read_by_their_row_numbers(tmp_path):
    values, frame = embeddings(), table()
    order = shuffled(frame, "run")[1]
    arrays = {"case": texts(frame["case"][order]), "magnification": texts(frame["magnification"][order])}
    label = (frame["label"][order] == "malignant").to_numpy(np.int8)
    part = texts(["train"] * len(order))
    np.savez(tmp_path / "embeddings.npz", embedding=values[order], row=order, label=label, part=part, **arrays)
    alone = read_embedding_files(tmp_path / "embeddings.npz")
    assert alone.table["path"].tolist() == [f"embeddings#{row}" for row in range(8)]
    assert alone.table["label"].tolist() == frame["label"].tolist()
    np.testing.assert_array_equal(all_rows(alone)[:, 0], values)
    frame.to_parquet(tmp_path / "manifest.parquet")
    beside = read_embedding_files(tmp_path / "embeddings.npz", tmp_path / "manifest.parquet")
    assert beside.table["path"].tolist() == frame["path"].tolist()
    np.testing.assert_array_equal(all_rows(beside)[:, 0], values)


def test_a_manifest_that_contradicts_the_labels_beside_the_embeddings_is_refused(tmp_path):
    frame = table()
    np.savez(tmp_path / "x.npz", features=embeddings(), label=(frame["label"] == "malignant").to_numpy(int))
    turned = frame.iloc[::-1].reset_index(drop=True)
    assert len(read_embedding_files(tmp_path / "x.npz", write_table(tmp_path / "a.csv", frame)).table) == 8
    with pytest.raises(DataError, match=r"8 of 8 rows where x.npz says another label"):
        read_embedding_files(tmp_path / "x.npz", write_table(tmp_path / "b.csv", turned))


def test_views_are_kept_and_the_first_one_is_the_plain_image(tmp_path):
    values, frame = embeddings(views=3), table()
    np.savez(tmp_path / "x.npz", features=values.astype(np.float16), path=texts(frame["path"]))
    read = read_embedding_files(tmp_path / "x.npz", write_table(tmp_path / "tiles.csv", frame))
    assert (read.views, read.length, read.dtype) == (3, LENGTH, np.float16)
    np.testing.assert_array_equal(all_rows(read), values.astype(np.float16))


@pytest.mark.parametrize("kind", ["h5", "gzip.h5", "npz", "compressed.npz"])
def test_small_blocks_give_the_same_rows_from_memory_and_from_a_spooled_file(kind, tmp_path, monkeypatch):
    values, frame = embeddings(64), table(64)
    mixed, order = shuffled(frame, "blocks")
    source, arrays = written(kind, tmp_path, values[order], mixed["path"].tolist())
    manifest = write_table(tmp_path / "tiles.csv", frame)
    for limit, name in ((5 * 4 * LENGTH, "BLOCK"), (0, "IN_MEMORY"), (0, "_NEAR")):
        monkeypatch.setattr(stored, name, limit)
    read = read_embedding_files(source, manifest, arrays=arrays, spool=tmp_path)
    sizes = [len(block) for _, block in read.blocks()]
    assert max(sizes) == 5
    assert sum(sizes) == 64
    np.testing.assert_array_equal(all_rows(read)[:, 0], values)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "tiles.csv"])


def test_no_room_for_a_spooled_file_is_said_before_it_is_written(tmp_path, monkeypatch):
    values, frame = embeddings(), table()
    source, arrays = written("compressed.npz", tmp_path, values, frame["path"].tolist())
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    usage = __import__("collections").namedtuple("usage", "total used free")
    monkeypatch.setattr(stored.shutil, "disk_usage", lambda place: usage(10, 10, 0))
    with pytest.raises(MagsigError, match="Free space"):
        read_embedding_files(source, write_table(tmp_path / "tiles.csv", frame), arrays=arrays, spool=tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("uni.pt", "torch.load('uni.pt', weights_only=True)"),
        ("uni.pth", "numpy.savez"),
        ("uni.pkl", "pickle.load"),
        ("uni.pickle", "numpy.savez"),
    ],
)
def test_files_that_run_code_are_refused_with_the_lines_that_convert_them(name, words, tmp_path):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert is_embedding_source(tmp_path / name)
    with pytest.raises(DataError) as refused:
        read_embedding_files(tmp_path / name)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_embedding_is_refused_by_its_name(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK")
    with pytest.raises(DataError, match="Convert it"):
        read_embedding_files(tmp_path / "x.docx")
    with pytest.raises(UsageError, match="found nothing at"):
        read_embedding_files(tmp_path / "none.h5")
    np.savez(tmp_path / "x.npz", features=embeddings())
    with pytest.raises(UsageError, match="feature"):
        read_embedding_files(tmp_path / "x.npz", arrays={"feature": "x"})
    with pytest.raises(UsageError, match="Expected an array 'feats'"):
        read_embedding_files(tmp_path / "x.npz", arrays={"features": "feats"})
    with pytest.raises(DataError, match="--manifest FILE"):
        read_embedding_files(tmp_path / "x.npz")


def test_tables_and_folders_of_images_are_not_taken_for_embeddings(tmp_path):
    write_table(tmp_path / "tiles.csv", table())
    (tmp_path / "images").mkdir()
    assert not is_embedding_source(tmp_path / "tiles.csv")
    assert not is_embedding_source(tmp_path / "images")
    assert not is_embedding_source(tmp_path / "nowhere")


def test_an_order_that_jumps_about_is_spooled_once_and_a_near_one_never(tmp_path, monkeypatch):
    values, frame = embeddings(64), table(64)
    for limit, name in ((5 * 4 * LENGTH, "BLOCK"), (6 * 4 * LENGTH, "_NEAR")):
        monkeypatch.setattr(stored, name, limit)
    copies = []
    spooled = stored.spooled
    monkeypatch.setattr(stored, "spooled", lambda *given: copies.append(given) or spooled(*given))
    manifest = write_table(tmp_path / "tiles.csv", frame)
    for order, expected in ((np.arange(64), 0), (np.arange(64)[::-1], 0), (shuffled(frame, "far")[1], 1)):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("features", data=values[order], chunks=(1, LENGTH))
            file["path"] = frame["path"][order].to_numpy(dtype=object)
        np.testing.assert_array_equal(all_rows(read_embedding_files(tmp_path / "x.h5", manifest))[:, 0], values)
        assert len(copies) == expected
