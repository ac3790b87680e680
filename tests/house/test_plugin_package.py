"""Another package works as docs/extending.md promises: its files are built and used as they are printed there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.house.documentation import ROOT, shown_files


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package of docs/extending.md into a folder of its own, without network."""
    package = tmp_path_factory.mktemp("package")
    target = tmp_path_factory.mktemp("target")
    for name, content in shown_files(ROOT / "docs" / "extending.md").items():
        (package / name).write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([*command, "--target", target, package], check=True, env=environment, capture_output=True)
    return target


@pytest.fixture(scope="module")
def listing(installed, tmp_path_factory):
    code = "from magsig_tf.cli.main import main; main(['plugins', '--json'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("method", "coral"), ("command", "count-cases"), ("encoder", "tiny_cnn"), ("dataset", "label_folders")],
)
def test_it_is_listed_with_its_source(listing, kind, name):
    found = [row for row in listing if (row["kind"], row["name"]) == (kind, name)]
    assert [(row["source"], row["state"]) for row in found] == [("magsig-coral 0.1.0", "ok")]


def test_the_built_ins_are_listed_beside_it(listing):
    own = {row["name"] for row in listing if row["source"].startswith("magsig ") and row["state"] == "ok"}
    assert own >= {"baseline", "grl", "small_cnn", "resnet50", "breakhis", "csv", "phantom", "train", "evaluate"}


def test_its_option_becomes_a_config_key(installed, magsig):
    assert "--coral-weight" in magsig("train", "--help", paths=(installed,)).stdout


def test_its_data_set_method_encoder_and_command_work_together(installed, magsig, tmp_path):
    write_images(tmp_path / "images")
    paths = (installed,)
    prepared = magsig("prepare", "--source", "images", "--size", "32", "--json", paths=paths)
    assert prepared.returncode == 0, prepared.stderr
    assert json.loads(prepared.stdout)["kind"] == "label_folders"
    counted = magsig("count-cases", paths=paths)
    assert counted.returncode == 0, counted.stderr
    assert counted.stdout.split() == ["benign", "6", "malignant", "6"]
    trained = magsig(
        "train", "--method", "coral", "--coral-weight", "0.5", "--encoder", "tiny_cnn", "--holdout", "20x",
        "--epochs", "1", "--folds", "3", "--images-per-magnification", "2", "--augment", "[]", "--json", paths=paths,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    (run,) = json.loads(trained.stdout)["done"]
    assert (run["method"], run["holdout"], run["status"]) == ("coral", "20x", "done")
    log = [json.loads(line) for line in (tmp_path / run["folder"] / "log.jsonl").read_text().splitlines()]
    assert all(record["covariance_distance"] > 0 for record in log)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coral", "sam:Sam", "mixup:Mixup"])
def test_the_methods_that_are_shown_keep_the_contract(installed, tmp_path, name):
    for file, content in shown_files(ROOT / "docs" / "extending.md").items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    code = f"from magsig_tf.testing import check_method; check_method({name!r})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def write_images(folder):
    """Write LABEL/CASE/MAGNIFICATION/NUMBER.png: twelve cases at three magnifications, malignant ones darker."""
    import numpy as np
    from PIL import Image

    from magsig_tf.seeding import generator_for

    random = generator_for("plugin images")
    for case in range(12):
        label = ("benign", "malignant")[case % 2]
        for magnification in ("5x", "10x", "20x"):
            place = folder / label / f"case{case}" / magnification
            place.mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 255 if label == "benign" else 128, (40, 48, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
