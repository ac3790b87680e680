"""A data set of embeddings is written, opened, hashed, and refused where it is something else."""

import json

import numpy as np
import pandas as pd
import pytest

from magsig_tf.checksums import ChangedError
from magsig_tf.data.embedded.write import write_array, write_dataset
from magsig_tf.data.prepared import EmbeddedDataset, PreparedDataset, open_dataset, with_images
from magsig_tf.data.splits import make_split
from magsig_tf.errors import DataError, UsageError
from magsig_tf.testing.tiny_data import tiny_dataset, tiny_embeddings, tiny_manifest
from magsig_tf.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def written(folder, values, manifest=None, dtype="float32", **info):
    folder.mkdir(parents=True)
    write_array(folder / "embeddings.npy", [values[:3], values[3:]], len(values), *values.shape[1:], dtype)
    manifest = tiny_manifest(cases=10, images=1) if manifest is None else manifest
    write_dataset(folder, manifest.drop(columns=["pixel_sha256", "perceptual_hash"]), {"name": folder.name, **info})
    return EmbeddedDataset.open(folder)


def values_of(seed=0, views=2):
    return np.random.default_rng(seed).normal(size=(40, views, 5))


def test_what_was_written_is_opened(workspace):
    values = values_of()
    dataset = written(workspace.data("made"), values, provenance={"encoder": "uni"})
    assert isinstance(open_dataset(dataset.folder), EmbeddedDataset)
    assert (dataset.length, dataset.views, dataset.magnifications) == (5, 2, ["40X", "100X", "200X", "400X"])
    np.testing.assert_array_equal(dataset.embeddings, values.astype(np.float32))
    np.testing.assert_array_equal(dataset.inputs[np.array([7, 2])], values[[7, 2], 0].astype(np.float32))
    assert dataset.inputs.shape == (40, 5)
    assert dataset.info["provenance"] == {"encoder": "uni"}
    assert dataset.info["images"] == 40
    assert workspace.prepared_datasets() == ["made"]


def test_half_precision_is_kept_and_given_to_networks_as_single(workspace):
    dataset = written(workspace.data("half"), values_of(), dtype="float16")
    assert dataset.embeddings.dtype == np.float16
    assert dataset.inputs[np.arange(3)].dtype == np.float32


def test_the_hash_follows_the_values(workspace):
    made = (("a", 0), ("b", 0), ("c", 1))
    first, same, other = (written(workspace.data(name), values_of(seed)) for name, seed in made)
    assert first.content_hash == same.content_hash != other.content_hash
    changed = values_of()
    changed[5, 1, 2] += 1  # of a view that only training sees
    assert written(workspace.data("d"), changed).content_hash != first.content_hash


def test_identical_embeddings_of_two_cases_are_split_as_one(workspace):
    values, manifest = values_of(), tiny_manifest(cases=10, images=1)
    rows = [manifest.index[manifest["case"] == case][0] for case in ("case-01", "case-03")]
    values[rows[1]] = values[rows[0]]
    dataset = written(workspace.data("copies"), values, manifest)
    assert set(dataset.manifest.loc[dataset.manifest["case"] == "case-03", "split_case"]) == {"case-01"}
    assert dataset.info["report"]["copies"]["split_together"] == [["case-01", "case-03"]]
    names = pd.read_csv(dataset.folder / "copies.csv")
    assert names["relation"].tolist() == ["identical"]
    split = make_split(dataset.manifest, content_hash=dataset.content_hash, holdout="400X", patient_fold=0, folds=3)
    assert any("share" in warning for warning in split.warnings)


def test_rows_of_one_value_are_no_copies_of_each_other(workspace):
    values = values_of()
    values[:6] = 0.0
    assert written(workspace.data("zeros"), values).info["report"]["copies"]["pairs"] == 0


def test_identical_embeddings_of_both_classes_are_refused(workspace):
    values, manifest = values_of(), tiny_manifest(cases=10, images=1)
    rows = [manifest.index[manifest["case"] == case][0] for case in ("case-01", "case-02")]
    values[rows[1]] = values[rows[0]]
    with pytest.raises(DataError, match="one label for an image and its copies"):
        written(workspace.data("mixed"), values, manifest)


@pytest.mark.parametrize(("value", "remedy"), [(1e5, "Keep them as float32"), (np.nan, "Leave such rows out")])
def test_numbers_that_the_type_cannot_hold_are_refused(workspace, value, remedy):
    values = values_of()
    values[11, 0, 0] = value
    with pytest.raises(DataError, match=f"finite as float16, found others in row 11. {remedy}"):
        written(workspace.data("infinite"), values, dtype="float16")


@pytest.mark.parametrize("count", [39, 41])
def test_rows_too_many_or_too_few_are_refused(tmp_path, count):
    with pytest.raises(DataError, match="Expected 40 embeddings"):
        write_array(tmp_path / "embeddings.npy", [np.zeros((count, 1, 2))], 40, 1, 2, "float32")


def test_each_kind_is_refused_as_the_other(workspace):
    embeddings, images = tiny_embeddings(workspace), tiny_dataset(workspace)
    with pytest.raises(UsageError, match=r"Expected a data set of images.*embeddings: tiny-embeddings.*no pixels"):
        PreparedDataset.open(embeddings.folder)
    with pytest.raises(UsageError, match=r"Expected a data set of embeddings.*images: tiny.*magsig embed"):
        EmbeddedDataset.open(images.folder)
    with pytest.raises(UsageError, match="Expected a data set of images"):
        with_images(embeddings)
    assert with_images(images) is images


def test_a_changed_number_is_told(workspace):
    dataset = written(workspace.data("changed"), values_of())
    path = dataset.folder / "embeddings.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChangedError, match=r"embeddings\.npy"):
        open_dataset(dataset.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "videos"}, "found data 'videos'"),
        ({"views": "two"}, "found views 'two'"),
        ({"length": 6}, r"shape \(40, 2, 6\)"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(workspace, change, message):
    dataset = written(workspace.data("wrong"), values_of())
    record = json.loads((dataset.folder / "dataset.json").read_text())
    del record["checksums"]
    (dataset.folder / "checksums.json").unlink()
    (dataset.folder / "dataset.json").write_text(json.dumps(record | change))
    with pytest.raises(DataError, match=message):
        open_dataset(dataset.folder)
