"""A data set that is not BreaKHis goes all the way: three magnifications with other names, from a CSV manifest."""

import json

import numpy as np
import pandas as pd
import pytest

from magsig_tf.seeding import generator_for
from tests.cli.command_line import magsig
from tests.data.small_images import png

MAGNIFICATIONS = ("5x", "10x", "20x")
QUICK = [
    *("--encoder", "small_cnn", "--epochs", "2", "--images-per-magnification", "4", "--learning-rate", "0.003"),
    *("--inference-batch", "16", "--set", "augment=[]", "--folds", "3"),
]


@pytest.fixture
def scanner(tmp_path, monkeypatch):
    """A folder with tiles of 18 patients and a CSV that describes them; malignant tiles are darker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    rows = ["file,label,magnification,case,scanner"]
    for case in range(18):
        for magnification in MAGNIFICATIONS:
            name = f"tiles/patient {case}/{magnification} (1).png"
            pixels = generator_for("scanner", name).integers(0, 150 if case % 2 else 256, (24, 40, 3), np.uint8)
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(pixels))
            rows.append(f"{name},{case % 2},{magnification},patient {case},S{case % 3}")
    (tmp_path / "my scanner.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.slow
def test_prepare_train_and_evaluate_under_its_own_names(scanner):
    answer = magsig("prepare", "--source", "my scanner.csv", "--size", "32", "--workers", "1", "--json")
    assert answer.code == 0, answer.errors
    info = json.loads(answer.out)
    assert (info["name"], info["kind"], info["magnifications"]) == ("my-scanner", "csv", list(MAGNIFICATIONS))
    assert (info["images"], info["cases"]) == (54, 18)

    answer = magsig("train", "--method", "baseline", "grl", "--holdout", "all", *QUICK, "--json")
    assert answer.code == 0, answer.errors
    runs = json.loads(answer.out)["done"]
    assert [(run["holdout"], run["source_magnifications"]) for run in runs[::2]] == [
        ("5x", ["10x", "20x"]),
        ("10x", ["5x", "20x"]),
        ("20x", ["5x", "10x"]),
    ]
    assert "(chance 0.50)" in answer.errors

    answer = magsig("evaluate", "--replicates", "200")
    assert answer.code == 0, answer.errors
    for name in ("my-scanner", *MAGNIFICATIONS, "grl"):
        assert name in answer.out
    table = pd.read_csv(scanner / "workspace" / "results" / "my-scanner" / "summary.csv")
    assert list(dict.fromkeys(table["holdout"])) == [*MAGNIFICATIONS, "pooled"]
    held_out = table[(table["metric"] == "auc") & (table["quantity"] == "held_out") & (table["level"] == "image")]
    assert held_out["value"].notna().all()
    assert held_out["cases_benign"].tolist() == [3] * len(held_out)


def test_a_slip_offers_a_magnification_of_this_data_set(scanner):
    assert magsig("prepare", "--source", "my scanner.csv", "--size", "32", "--workers", "1").code == 0
    answer = magsig("train", "--holdout", "40X", *QUICK)
    assert answer.code == 2
    assert "found '40X'" in answer.error
    assert "5x" in answer.error
