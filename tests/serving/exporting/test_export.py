"""An export: what lies in it, how it was checked, and that nothing stays of one that fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from magsig_tf.checksums import sign_folder
from magsig_tf.errors import DataError, RunError
from magsig_tf.parquet_files import write_parquet
from magsig_tf.seeding import generator_for
from magsig_tf.serving.exporting.export import fit_temperature

FILES = {
    *("saved_model.pb", "fingerprint.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"),
    *(f"assets.extra/{name}" for name in ("labels.json", "config.yaml", "run.json", "export.json")),
    "assets.extra/tf_serving_warmup_requests",
}


@pytest.fixture
def copied(study, tmp_path):
    """The run's folder, to be changed."""
    return shutil.copytree(study.folder, tmp_path / "run")


def export(folder, study, root):
    from magsig_tf.serving.exporting.export import export_run, open_whole

    return export_run(open_whole(folder), study.prepared, root=root, name="tiny")


def test_it_holds_everything_and_says_where_it_comes_from(exported, study):
    found = {str(path.relative_to(exported.folder)) for path in exported.folder.rglob("*") if path.is_file()}
    assert found >= FILES
    extra = exported.folder / "assets.extra"
    facts = json.loads((extra / "export.json").read_text())
    record = json.loads((study.folder / "run.json").read_text())
    for key in ("dataset_hash", "split_hash", "method", "holdout", "source_magnifications", "config_hash"):
        assert facts[key] == record[key]
    assert facts["run"] == "tiny/baseline/400X/" + study.folder.name
    assert (facts["name"], facts["version"], facts["image_size"], facts["resize"]) == ("tiny", 1, 32, "squash")
    assert set(facts["versions"]) == {"magsig", "tensorflow", "keras", "python"}
    assert json.loads((extra / "labels.json").read_text()) == {"labels": ["benign", "malignant"], "threshold": 0.5}
    assert (extra / "run.json").read_bytes() == (study.folder / "run.json").read_bytes()
    assert str(study.workspace.root) not in (extra / "export.json").read_text()


def test_its_check_covers_every_way_in_and_original_files(exported):
    checked = exported.facts["check"]
    assert set(checked["differences"]) == {"array", "float", "png", "gradcam", "embedding", "signature"}
    assert max(checked["differences"].values()) <= checked["tolerance"] == 1e-5
    assert checked["images"] == 8
    assert checked["native"]["files"] == 8
    assert checked["native"]["levels"] <= 1
    assert checked["native"]["probability"] <= 0.02


def test_its_metrics_are_those_of_the_served_probabilities(exported, study):
    from magsig_tf.statistics.metrics import brier_score

    stored = pd.read_parquet(study.folder / "predictions.parquet")
    test = stored[stored["part"] == "test"]
    row = next(row for row in exported.facts["metrics"] if row["part"] == "test")
    served = expit(test["logit"] / exported.facts["temperature"])
    assert row["brier_score"] == pytest.approx(brier_score(test["label"], served))
    assert (row["magnification"], row["images"], row["cases"]) == ("400X", 8, 4)
    parts = [(row["part"], row["magnification"]) for row in exported.facts["metrics"]]
    assert parts == [("test", "400X"), *(("in_domain_test", name) for name in ("40X", "100X", "200X"))]


def test_a_failure_keeps_the_versions_before(exported, study, copied, monkeypatch, tmp_path):
    root = tmp_path / "models"
    shutil.copytree(exported.folder, root / "tiny" / "1")
    monkeypatch.setattr(
        "magsig_tf.serving.exporting.export.check_export", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        export(copied, study, root)
    assert [path.name for path in root.iterdir()] == ["tiny"]
    assert [path.name for path in (root / "tiny").iterdir()] == ["1"]


def test_a_probability_that_does_not_belong_to_its_logit_is_refused(copied, study, tmp_path):
    frame = pd.read_parquet(copied / "predictions.parquet")
    frame.loc[0, "probability"] += 0.001
    write_parquet(copied / "predictions.parquet", frame)
    with pytest.raises(RunError, match="probabilities that belong to the logits"):
        export(copied, study, tmp_path / "models")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "run.json").unlink(), "found no run.json"),
        (lambda folder: rewrite(folder, status="running"), "found one that is running"),
        (lambda folder: rewrite(folder, status="failed"), "found one that is failed"),
        (lambda folder: (folder / "model.keras").unlink(), "found no model.keras"),
        (lambda folder: rewrite(folder, split_hash=None), "Expected text for split_hash in .*run.json"),
        (lambda folder: (folder / "predictions.parquet").write_bytes(b"junk"), "readable predictions"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(copied, change, said):
    from magsig_tf.serving.exporting.export import open_whole

    change(copied)
    sign_folder(copied)  # so that it is not the checksum that tells
    with pytest.raises(RunError, match=said):
        open_whole(copied)


def rewrite(folder, **changes):
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | changes))


def test_other_data_are_refused(copied, study, tmp_path):
    rewrite(copied, dataset_hash="0" * 64)
    sign_folder(copied)
    with pytest.raises(DataError, match="Expected the data set with hash 000000000000"):
        export(copied, study, tmp_path / "models")


def test_the_checking_process_cannot_import_magsig():
    from magsig_tf.serving.exporting import fresh_process

    code = (
        f"import runpy, sys; found = runpy.run_path({fresh_process.__file__!r});"
        "sys.meta_path.insert(0, found['NoMagsig']());"
        "import magsig_tf"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "magsig is kept out of this process" in done.stderr


def test_the_checking_code_names_tensorflow_alone():
    import ast

    from magsig_tf.serving.exporting import fresh_process

    with open(fresh_process.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # magsig_tf is named once, to see that it cannot be imported
    assert names - set(sys.stdlib_module_names) == {"tensorflow", "numpy", "magsig_tf"}


def test_a_model_that_needs_magsig_fails_the_check(tensorflow, study, tmp_path):
    from magsig_tf.serving.exporting.check import ask

    (tmp_path / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(RunError, match="process that has only TensorFlow"):
        ask(tmp_path, study.prepared.folder / "images.npy", np.array([0]), batch=1)


def test_gone_and_changed_source_files_are_told(study, tmp_path):
    from dataclasses import replace

    from magsig_tf.serving.exporting.check import find_native_files

    def absent(**source):
        return find_native_files(replace(study.prepared, info=study.prepared.info | source), np.arange(5))[1]

    assert absent(source={"path": None}) == "the data set was not made from files"
    assert absent(source={"path": str(tmp_path / "gone.csv")}).startswith("the source files are gone")
    (tmp_path / "breakhis.tar").write_bytes(b"")
    assert "is an archive" in absent(source={"path": str(tmp_path / "breakhis.tar")}, kind="breakhis")
    manifest = study.prepared.manifest.assign(sha256="changed")
    assert find_native_files(replace(study.prepared, manifest=manifest), np.arange(5))[1].startswith("no unchanged")


def validation(temperature: float, images: int = 40_000) -> pd.DataFrame:
    """Return logits whose true probabilities are those at a temperature."""
    random = generator_for("temperature", temperature)
    logit = random.normal(0, 3 * temperature, images)
    label = (random.random(images) < expit(logit / temperature)).astype(int)
    return pd.DataFrame(
        {"logit": logit, "label": label, "magnification": np.where(np.arange(images) % 3, "40X", "100X")}
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(temperature):
    found = fit_temperature(validation(temperature))
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.log_loss_after <= found.log_loss_before
    assert not found.at_edge


def test_the_log_loss_is_that_of_the_mean_over_magnifications():
    frame = pd.DataFrame({"logit": [0.0, 0.0, 2.0], "label": [0, 1, 1], "magnification": ["40X", "40X", "100X"]})
    wanted = (np.log(2) + np.log1p(np.exp(-2.0))) / 2
    assert fit_temperature(frame).log_loss_before == pytest.approx(wanted)


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0, 1e4])
def test_logits_that_separate_the_images_have_no_temperature_and_say_so(scale):
    logit = scale * np.array([-3.0, -1.0, 1.0, 2.0, -0.5, 0.5])
    frame = pd.DataFrame({"logit": logit, "label": [0, 0, 1, 1, 0, 1], "magnification": ["5x"] * 4 + ["20x"] * 2})
    found = fit_temperature(frame)
    assert (found.value, found.log_loss_after, found.served, found.at_edge) == (None, None, 1.0, True)
    assert "6 source validation images" in found.reason
    assert "temperature 0.05" in found.reason


def test_logits_that_say_nothing_have_no_temperature_either():
    frame = pd.DataFrame({"logit": [3.0, -3.0, 3.0, -3.0], "label": [0, 0, 1, 1], "magnification": ["5x"] * 4})
    found = fit_temperature(frame)
    assert found.at_edge
    assert "say nothing of the label" in found.reason


def test_one_class_allows_no_temperature():
    frame = pd.DataFrame({"logit": [1.0, 2.0], "label": [1, 1], "magnification": ["40X", "40X"]})
    with pytest.raises(DataError, match="validation images of both classes"):
        fit_temperature(frame)
