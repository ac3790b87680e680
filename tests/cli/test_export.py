"""`magsig export` and `magsig explain` as a user types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from magsig_tf.atomic_files import read_json
from magsig_tf.checksums import write_signed_json
from magsig_tf.parquet_files import write_parquet
from magsig_tf.runs.run import Run
from magsig_tf.workflows.exported_run import default_name
from tests.cli.command_line import files, magsig, refused
from tests.evaluation.fake_runs import FakeStudy
from tests.serving.tiny_export import shared_study


@pytest.fixture(scope="module")
def study(tmp_path_factory, tensorflow):
    return shared_study(tmp_path_factory.mktemp)


@pytest.fixture
def workspace(study, tmp_path, monkeypatch):
    """A copy of the study's workspace, the current folder empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return shutil.copytree(study.workspace.root, tmp_path / "workspace")


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    """An export made by the command, with what it printed."""
    root = tmp_path_factory.mktemp("models")
    answer = magsig(
        "export", "--workspace", study.workspace.root, "--method", "baseline", "--holdout", "400X", "--output", root
    )
    assert answer.code == 0, answer.errors
    return root / "baseline-400x", answer.out


def only_run(workspace):
    (folder,) = (workspace / "runs" / "tiny" / "baseline" / "400X").iterdir()
    return folder


def rewrite(folder, **changes):
    write_signed_json(folder / "run.json", read_json(folder / "run.json") | changes)


def test_it_says_what_was_exported_and_how_well_it_agrees(exported):
    model, said = exported
    assert (model / "1" / "saved_model.pb").is_file()
    assert "baseline-400x version 1: tiny/baseline/400X/fold0-seed0-" in said
    assert "Chosen by validation loss, of 1 seed: seed 0 " in said
    assert "Checked without magsig on 8 test images." in said
    assert "allowed 1e-05 (float32)" in said
    assert "On 8 original files: pixels differ by up to " in said
    assert f"Written: {model / '1'}" in said
    assert "oving statistics" not in said


def test_the_best_seed_is_taken(workspace, monkeypatch):
    from magsig_tf.workflows.exported_run import choose_run
    from magsig_tf.workspace import Workspace

    first = only_run(workspace)
    loss = read_json(first / "run.json")["chosen"]["validation_loss"]
    for seed, added in ((1, -0.1), (2, 0.1), (3, -0.1)):
        other = shutil.copytree(first, first.with_name(f"fold0-seed{seed}-copy"))
        rewrite(other, seed=seed, chosen={"step": 1, "validation_loss": loss + added})
    runs = choose_run(Workspace(workspace), "tiny", "baseline", "400X", 0, None)
    assert runs[0].folder.name == "fold0-seed1-copy"
    assert [run.seed for run in runs] == [1, 3, 0, 2]


def as_an_older_version_left_it(folder, **changes):
    record = read_json(folder / "run.json") | changes
    del record["batch_statistics"]
    write_signed_json(folder / "run.json", record)


def test_moving_statistics_are_said_and_written_down(workspace, tmp_path):
    folder = only_run(workspace)
    as_an_older_version_left_it(folder)
    answer = magsig("export", "--run", folder, "--name", "old", "--output", tmp_path / "models")
    assert answer.code == 0, answer.errors
    assert "Moving statistics: evaluated with moving averages of the batch statistics" in " ".join(answer.out.split())
    extra = tmp_path / "models" / "old" / "1" / "assets.extra"
    assert read_json(extra / "export.json")["batch_statistics"] == "moving"
    assert "**Moving statistics**" in (extra / "MODEL_CARD.md").read_text()


def test_of_several_configs_those_with_moving_statistics_are_named(workspace):
    first = only_run(workspace)
    old = shutil.copytree(first, first.with_name("fold0-seed0-01d00000"))
    as_an_older_version_left_it(old, config_hash="01d00000")
    answer = magsig("export", "--workspace", workspace, "--method", "baseline", "--holdout", "400X")
    new = read_json(first / "run.json")["config_hash"]
    refused(answer, 2, f"--config-hash {'|'.join(sorted(['01d00000', new]))} (01d00000: moving statistics)")


def test_a_signature_is_fitted_again_and_served(workspace, tmp_path):
    from magsig_tf.workflows.exporting import signature_of_run
    from magsig_tf.workspace import Workspace

    answer = magsig("signatures", "--workspace", workspace, "--replicates", "100")
    assert answer.code == 0, answer.errors
    row = pd.read_parquet(workspace / "results" / "tiny" / "signatures.parquet").query("method == 'baseline'").iloc[0]
    folder = only_run(workspace)
    found = signature_of_run(Workspace(workspace), Run.found(folder))
    assert len(found.indices) == row["k"] > 0
    assert found.penalty == pytest.approx(row["penalty"])
    scores = pd.read_parquet(workspace / "results" / "tiny" / "signature_predictions.parquet")
    scores = scores[scores["method"] == "baseline"]
    with np.load(folder / "embeddings.npz") as file:
        test = file["part"] == "test"
        embedding, rows = file["embedding"][test], file["row"][test]
    wanted = scores.set_index("row")["probability"].loc[rows]
    np.testing.assert_allclose(found.probability_of(embedding), wanted, atol=1e-12)
    # a table of other embeddings is not believed
    table = pd.read_parquet(workspace / "results" / "tiny" / "signatures.parquet").assign(k=3)
    write_parquet(workspace / "results" / "tiny" / "signatures.parquet", table)
    words = ("export", "--workspace", workspace, "--method", "baseline", "--holdout", "400X", "--with-signature")
    refused(magsig(*words), 1, "3 dimensions", "magsig signatures")
    assert files(tmp_path / "saved_models") == []


def test_what_cannot_be_exported_is_refused_in_one_line(workspace, tmp_path):
    def export(*words):
        return magsig("export", "--workspace", workspace, *words)

    both = ("--method", "baseline", "--holdout", "400X")
    refused(export(), 2, "--method and --holdout, or --run")
    refused(export("--method", "baseline"), 2, "only one of them")
    refused(export("--run", only_run(workspace), "--method", "baseline"), 2, "found both")
    refused(export("--method", "baselin", "--holdout", "400X"), 2, "Did you mean 'baseline'", "magsig train")
    refused(export("--method", "baseline", "--holdout", "40X"), 2, "400X", "magsig train")
    refused(export(*both, "--patient-fold", "3"), 2, "found none of 3")
    refused(export(*both, "--config-hash", "zz"), 2, "found none of 'zz'")
    refused(export(*both, "--name", "a/b"), 2, "model name")
    refused(export("--run", tmp_path), 1, "no run.json")
    refused(export("--run", "/"), 1, "no run.json")
    refused(export(*both, "--with-signature"), 1, "magsig signatures --dataset tiny")
    assert files(tmp_path / "saved_models") == []


def test_a_run_that_is_not_done_is_refused(workspace):
    rewrite(only_run(workspace), status="running")
    words = ("export", "--workspace", workspace)
    refused(magsig(*words, "--method", "baseline", "--holdout", "400X"), 1, "1 that is running", "magsig train")
    refused(magsig(*words, "--run", only_run(workspace)), 1, "one that is running", "magsig train")


def test_several_configs_are_not_mixed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = FakeStudy(tmp_path)
    study.write(holdouts=["40X"], folds=[0], config_hash="aaaa1111")
    study.write(holdouts=["40X"], folds=[0], config_hash="bbbb2222")
    answer = magsig("export", "--workspace", study.workspace.root, "--method", "baseline", "--holdout", "40X")
    refused(answer, 2, "found 2", "aaaa1111|bbbb2222")


def test_a_doctored_prediction_fails_and_leaves_nothing(workspace, tmp_path):
    from scipy.special import expit

    path = only_run(workspace) / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame["logit"] -= np.where(frame["part"] == "test", 0.5 * frame["logit"], 0.0)
    write_parquet(path, frame.assign(probability=expit(frame["logit"])))
    answer = magsig("export", "--workspace", workspace, "--method", "baseline", "--holdout", "400X")
    refused(answer, 1, "within 1e-05", "The export was removed")
    assert files(tmp_path / "saved_models") == []


def test_a_name_is_made_of_method_and_holdout():
    assert default_name(Run(Path(), "grl", "400X", 0, 0, "")) == "grl-400x"
    assert default_name(Run(Path(), "grl", "2,5 x/µ", 2, 0, "")) == "grl-2-5-x-fold2"


@pytest.fixture
def tiles(study, tmp_path):
    """Five images and one that is none."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    for number, path in enumerate(sorted((study.workspace.root.parent / "files").rglob("*.png"))[:5]):
        shutil.copy(path, folder / f"tile{number}.png")
    return folder


def test_an_image_is_explained(exported, tiles, tmp_path):
    words = ("explain", "--model", exported[0], tiles / "tile0.png", "--out", tmp_path / "heat.png")
    answer = magsig(*words)
    assert answer.code == 0, answer.errors
    assert f"{tiles / 'tile0.png'}: " in answer.out
    assert "probability of malignant" in answer.out
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.width > picture.height > 100
        # colours of the map's warm end are on the colour bar: yellow, far from any stain
        red, green, blue = (channel.astype(int) for channel in np.moveaxis(np.array(picture.convert("RGB")), -1, 0))
    assert ((red - blue > 60) & (green - blue > 60)).any()
    record = json.loads(magsig(*words, "--json").out)
    (image,) = record["images"]
    assert image["label"] in answer.out
    assert (image["height"], image["width"]) == (40, 48)
    assert record["model"] == "baseline-400x version 1"


def test_a_folder_gives_a_sheet_and_names_what_it_left_out(exported, tiles, tmp_path):
    words = ("explain", "--model", exported[0] / "1", tiles, "--out", tmp_path / "sheet.png", "--columns", "2")
    answer = magsig(*words, "--limit", "3")
    assert answer.code == 0, answer.errors
    assert answer.out.count("probability of malignant") == 3
    assert "The first of 5 images" in answer.out
    with Image.open(tmp_path / "sheet.png") as short:
        before = short.size
    (tiles / "broken.png").write_bytes(b"no image")
    answer = magsig(*words)
    assert answer.code == 1
    assert "Not shown: " in answer.out
    assert "broken.png (no image of a known format" in answer.out
    with Image.open(tmp_path / "sheet.png") as whole:
        assert whole.width == before[0]
        assert whole.height > before[1]


def test_what_cannot_be_explained_is_refused(exported, tiles, tmp_path):
    tile, out = tiles / "tile0.png", tmp_path / "heat.png"
    refused(magsig("explain", "--model", tmp_path / "none", tile, "--out", out), 2, "magsig export")
    refused(magsig("explain", "--model", exported[0], tmp_path / "none.png", "--out", out), 2, "found nothing")
    refused(magsig("explain", "--model", exported[0], tile, "--out", tmp_path / "heat.doc"), 2, "End it in")
    (tmp_path / "empty").mkdir()
    refused(magsig("explain", "--model", exported[0], tmp_path / "empty", "--out", out), 1, "images below")
    (tiles / "broken.png").write_bytes(b"no image")
    refused(magsig("explain", "--model", exported[0], tiles / "broken.png", "--out", out), 1, "no image of a known")
    assert not out.exists()
