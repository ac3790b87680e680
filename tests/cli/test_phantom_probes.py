"""The phantom's pixel size through `magsig probe`: found in what networks see, and nowhere in numbers without it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from magsig_tf.checksums import signing
from magsig_tf.seeding import generator_for
from tests.cli.command_line import magsig

# few cases, and a test cohort of its own, as the phantom has by default
SMALL = ["development_benign=10", "development_malignant=10", "test_benign=8", "test_malignant=8", "tiles=1", "seed=3"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a phantom and one baseline run of a single epoch, which leaves the random encoder too."""
    workspace = tmp_path_factory.mktemp("workspace")
    options = [word for setting in SMALL for word in ("--phantom-set", setting)]
    prepared = magsig("prepare", "--phantom", "--size", "32", "--workers", "1", *options, "--workspace", workspace)
    assert prepared.code == 0, prepared.errors
    words = ["--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "8", "--set", "augment=[]"]
    trained = magsig("train", "--holdout", "400X", *words, "--workspace", workspace)
    assert trained.code == 0, trained.errors
    return workspace


def probed(workspace):
    answer = magsig("probe", "--workspace", workspace, "--replicates", "200", "--workers", "1", "--json")
    assert answer.code == 0, answer.errors
    frame = pd.DataFrame(json.loads(answer.out))
    return frame[(frame["rows"] == "all") & (frame["control"] == "none")].set_index(
        ["subject", "probe", "target", "metric"]
    )


def test_networks_see_the_pixel_size_and_independent_numbers_do_not(workspace, tmp_path):
    found = probed(workspace)
    for subject in ("baseline", "random small_cnn"):
        assert found.loc[(subject, "ridge", "log_pixel_size", "r2"), "low"] > 0.3
        told = found.loc[(subject, "linear", "magnification", "balanced_accuracy")]
        assert told["value"] > told["chance"] + 0.25
        assert told["low"] > told["chance"] + 0.1
        assert found.loc[(subject, "linear", "magnification", "mutual_information"), "value"] > 0.2
        # tiles of every case have the same names, which must not keep them from being found
        assert found.loc[(subject, "identity", "case", "top1"), "chance"] == pytest.approx(1 / 16)
    (path,) = Path(shutil.copytree(workspace, tmp_path / "independent")).glob(
        "runs/phantom/baseline/*/*/embeddings.npz"
    )
    arrays = dict(np.load(path))
    shape = arrays["embedding"].shape
    arrays["embedding"] = generator_for("no pixel size").normal(size=shape).astype(np.float32)
    with signing(path) as temporary:
        np.savez(temporary, **arrays)
    nothing = probed(tmp_path / "independent")
    assert nothing.loc[("baseline", "ridge", "log_pixel_size", "r2"), "value"] < 0.05
    for probe in ("linear", "neighbours"):
        told = nothing.loc[("baseline", probe, "magnification", "balanced_accuracy")]
        # 64 rows: noise strays from chance by 0.05 (one standard deviation), its bound to 0.05 of log 4 = 1.39 nats
        assert told["value"] == pytest.approx(told["chance"], abs=0.15)
        assert nothing.loc[("baseline", probe, "magnification", "mutual_information"), "value"] < 0.1


def test_the_untrained_encoder_has_training_rows_although_a_fixed_cohort_is_tested(workspace):
    answer = magsig("signatures", "--workspace", workspace, "--replicates", "100", "--json")
    assert answer.code == 0, answer.errors
    said = json.loads(answer.out)
    assert [row["label"] for row in said["signatures"]] == ["baseline", "random small_cnn"]
    assert len({row["training_images"] for row in said["signatures"]}) == 1
    assert not any("Control" in text for text in said["missing"])
