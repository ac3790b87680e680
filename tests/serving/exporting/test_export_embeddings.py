"""Runs on embeddings as served models: with the encoder inside, or as a head that takes embeddings."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from magsig_tf.config_files import load_config
from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.errors import DataError, UsageError
from magsig_tf.runs.run import find_runs
from magsig_tf.testing.tiny_data import tiny_embeddings
from magsig_tf.workflows import embed, export, predict, train
from magsig_tf.workspace import Workspace
from tests.serving.tiny_export import write_files

ERASURE = {"dataset": "tiles-small_cnn", "method": "erasure", "holdout": "400X"}


@pytest.fixture(scope="module")
def studied(tmp_path_factory) -> Workspace:
    """Image files, their embeddings as float16, and runs of an exact method and of one that trains an adapter."""
    root = tmp_path_factory.mktemp("embedded")
    workspace = Workspace(root / "workspace")
    Preparation(write_files(root / "files"), workspace, name="tiles", size=32).run(workers=1)
    embed(workspace, "tiles", encoder="small_cnn", weights="none", dtype="float16", name="tiles-small_cnn")
    chosen = {"dataset": "tiles-small_cnn", "holdout": ["400X"], "epochs": 1, "method": ["erasure", "baseline"]}
    train(load_config(None, chosen), workspace)
    return workspace


@pytest.mark.parametrize("method", ["erasure", "baseline"])
def test_the_encoder_and_the_head_are_one_model_of_images(studied, tmp_path, method):
    exported = export(studied, "tiles-small_cnn", method=method, holdout="400X", output=tmp_path)
    assert exported.remark == ""
    assert exported.export.facts["takes"] == "images"
    assert set(exported.export.checked.differences) == {"array", "float", "png", "gradcam", "embedding"}
    assert max(exported.export.checked.differences.values()) < 1e-5
    assert exported.export.checked.native_files > 0
    (run,) = [each for each in find_runs(studied, "tiles-small_cnn") if each.method == method]
    files = studied.root.parent / "files"
    predict(exported.folder, [files], tmp_path / "p.csv")
    answered = {Path(row["file"]).relative_to(files).as_posix(): row for row in rows_of(tmp_path / "p.csv")}
    test = run.part("test")
    paths = EmbeddedDataset.open(studied.data("tiles-small_cnn")).manifest["path"].iloc[test["row"]]
    assert [float(answered[path]["probability"]) for path in paths] == pytest.approx(
        test["probability"].tolist(), abs=1e-4
    )


def test_the_head_alone_takes_embeddings(studied, tmp_path):
    exported = export(studied, **ERASURE, takes="embeddings", name="head", output=tmp_path)
    assert exported.export.facts["takes"] == "embeddings"
    assert exported.export.facts["input_length"] == 128
    assert "image_size" not in exported.export.facts
    folder = studied.data("tiles-small_cnn")
    found = predict(
        exported.folder, [folder / "embeddings.npy"], tmp_path / "p.csv", manifest=folder / "manifest.parquet"
    )
    (run,) = [each for each in find_runs(studied, "tiles-small_cnn") if each.method == "erasure"]
    answered = {row["file"]: row for row in rows_of(tmp_path / "p.csv")}
    paths = EmbeddedDataset.open(folder).manifest["path"]
    for row in run.part("test").itertuples():
        said = answered[paths[row.row]]
        assert float(said["probability"]) == pytest.approx(row.probability, abs=1e-5)
        assert said["case"] == row.case
        assert "400X is not among the magnifications of training" in said["note"]
    assert found.cases_file is not None
    assert len(rows_of(found.cases_file)) == 20
    card = (exported.folder / "assets.extra" / "MODEL_CARD.md").read_text()
    assert "It takes embeddings of 128 numbers" in card
    assert "seed 0" not in card


def test_rows_without_a_table_are_named_by_their_numbers(studied, tmp_path):
    exported = export(studied, **ERASURE, takes="embeddings", output=tmp_path)
    plain = EmbeddedDataset.open(studied.data("tiles-small_cnn")).inputs[np.arange(160)]
    np.savez(tmp_path / "mine.npz", features=plain)
    predict(exported.folder, [tmp_path / "mine.npz"], tmp_path / "p.csv")
    rows = rows_of(tmp_path / "p.csv")
    assert [row["file"] for row in rows[:2]] == ["mine#0", "mine#1"]
    assert {row["case"] for row in rows} == {""}
    assert not (tmp_path / "p-cases.csv").exists()


def test_embeddings_of_strangers_are_exported_as_a_head(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    tiny_embeddings(workspace)
    train(load_config(None, {"dataset": "tiny-embeddings", "holdout": ["40X"], "method": ["linear"]}), workspace)
    chosen = {"dataset": "tiny-embeddings", "method": "linear", "holdout": "40X"}
    exported = export(workspace, **chosen, output=tmp_path)
    assert "found embeddings that were calculated elsewhere" in exported.remark
    assert exported.export.facts["takes"] == "embeddings"
    with pytest.raises(DataError, match="calculated elsewhere"):
        export(workspace, **chosen, takes="images", output=tmp_path)


def test_a_model_of_embeddings_refuses_what_is_none_of_its_own(studied, tmp_path):
    exported = export(studied, **ERASURE, takes="embeddings", output=tmp_path)
    np.savez(tmp_path / "short.npz", features=np.ones((4, 64), np.float32))
    refused = {
        "found 64 in short.npz": [tmp_path / "short.npz"],
        "found 0.png": [studied.root.parent / "files/case-00/40X/0.png"],
        "found 2 arguments": [tmp_path / "short.npz"] * 2,
    }
    for said, arguments in refused.items():
        with pytest.raises(UsageError, match=said):
            predict(exported.folder, arguments, tmp_path / "p.csv")
    with pytest.raises(UsageError, match="found --resume"):
        predict(exported.folder, [tmp_path / "short.npz"], tmp_path / "p.csv", resume=True)
    assert not (tmp_path / "p.csv").exists()


def test_numbers_that_are_not_finite_are_refused_before_anything_is_written(studied, tmp_path):
    exported = export(studied, **ERASURE, takes="embeddings", output=tmp_path)
    values = np.ones((4, 128), np.float32)
    values[2, 5] = np.nan
    np.savez(tmp_path / "broken.npz", features=values)
    with pytest.raises(DataError, match="found NaN in 1 of 4 rows, such as 'broken#2'"):
        predict(exported.folder, [tmp_path / "broken.npz"], tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_an_encoder_that_is_no_longer_the_same_is_not_put_inside(studied, tmp_path, monkeypatch):
    path = studied.data("tiles-small_cnn") / "dataset.json"
    said = json.loads(path.read_text())
    said["provenance"]["encoder"] = "small_cnn_of_last_year"
    dataset = EmbeddedDataset.open(path.parent)
    changed = type(dataset)(**{**vars(dataset), "info": said})
    monkeypatch.setattr("magsig_tf.workflows.exporting.open_dataset", lambda folder: changed)
    with pytest.raises(UsageError, match="small_cnn_of_last_year"):
        export(studied, **ERASURE, takes="images", output=tmp_path)


def test_images_that_are_gone_leave_a_model_of_embeddings(studied, tmp_path, monkeypatch):
    moved = studied.data("tiles").rename(studied.root / "tiles-away")
    try:
        exported = export(studied, **ERASURE, output=tmp_path)
    finally:
        moved.rename(studied.data("tiles"))
    assert "found no data set of images in" in exported.remark
    assert exported.export.facts["takes"] == "embeddings"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))
