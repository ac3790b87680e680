"""`magsig train` and `magsig reproduce` as a user types them."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from magsig_tf.cli.main import main
from magsig_tf.cli.options import _spread
from magsig_tf.workspace import Workspace
from tests.house.documentation import ROOT, shown_files
from tests.tiny import tiny_dataset

QUICK = [
    *("--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "8", "--inference-batch", "16"),
    *("--set", "augment=[]"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    tiny_dataset(Workspace(folder))
    return folder


@pytest.fixture
def magsig(workspace, capsys):
    """Run `magsig` in this process; return its exit code and what it printed on both streams."""

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([*words, "--workspace", str(workspace)])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


def test_several_seeds_in_one_go_train_several_runs_once(magsig, workspace):
    command = ["train", "--method", "grl", "--holdout", "400X", "--seed", "0", "1", *QUICK]
    code, _, errors = magsig(*command)
    assert code == 0
    assert "2 runs, 0 of them done before" in errors
    assert "[2/2] grl, holdout 400X, patient fold 0, seed 1" in errors
    assert "(chance 0.33)" in errors
    assert "107,097 of 107,097 weights trained" in errors
    assert len(list(workspace.glob("runs/tiny/grl/400X/*/model.keras"))) == 2
    code, out, errors = magsig(*command, "--json")
    assert code == 0
    assert "2 of them done before" in errors
    assert {record["seed"] for record in json.loads(out)["done"]} == {0, 1}


def result_files(workspace):
    """When each result file of the shared workspace was written: other tests may have left some."""
    return {path: path.stat().st_mtime_ns for path in workspace.glob("results/**/*")}


def test_train_ends_with_the_table_of_its_own_runs(magsig, workspace, tmp_path):
    before = result_files(workspace)
    magsig("train", "--holdout", "200X", *QUICK)
    command = ["train", "--method", "grl", "--holdout", "100X", *QUICK]
    code, out, _ = magsig(*command, "--csv", str(tmp_path / "table.csv"))
    assert code == 0
    assert "tested at the held-out magnification" in out
    assert "100X  grl" in out
    assert "200X" not in out  # other runs of the workspace are not its own
    assert "Drop not run for grl 100X" in out
    assert "\x1b[" not in out
    assert max(map(len, out.splitlines())) <= 100
    numbers = pd.read_csv(tmp_path / "table.csv")
    assert set(numbers["holdout"]) == {"100X", "pooled"} or set(numbers["holdout"]) == {"100X"}
    code, out, _ = magsig(*command, "--json")
    records = json.loads(out)["summary"]
    assert len(records) == len(numbers)
    assert result_files(workspace) == before  # files of all runs are those of `magsig evaluate`


def test_a_run_that_fails_is_named_below_the_table_of_the_others(magsig):
    # a domain head that pushes this hard leaves no finite number
    command = ["train", "--method", "baseline", "grl", "--lambda-max", "1e38", "--holdout", "100X", "--seed", "7"]
    code, out, errors = magsig(*command, *QUICK)
    assert code == 1
    assert "100X  baseline" in out
    assert "1 run failed: grl 100X fold 0 seed 7." in " ".join(out.split())
    assert "Failed: grl, holdout 100X, patient fold 0, seed 7. Expected a finite loss" in errors


@pytest.mark.mlflow
def test_a_store_that_is_away_costs_no_run_and_exit_1(magsig, workspace, monkeypatch):
    command = ["train", "--method", "grl", "--holdout", "40X", "--mlflow", *QUICK]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, out, errors = magsig(*command)
    assert code == 1
    assert "Not logged to MLflow. Expected an MLflow store at http://127.0.0.1:9, found: " in errors
    assert "40X   grl" in out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'mlflow.db'}")
    for counts in ("1 run logged, 0 logged before, 0 not logged", "0 runs logged, 1 logged before, 0 not logged"):
        code, _, errors = magsig(*command)
        assert code == 0
        assert counts in errors


@pytest.mark.slow
def test_an_encoder_of_the_current_folder_is_trained_in_part(magsig, workspace, tmp_path, monkeypatch):
    import keras

    (tmp_path / "networks.py").write_text(shown_files(ROOT / "docs" / "extending.md")["networks.py"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])  # as the command finds it, not `python -m`
    command = ["train", "--encoder", "networks:narrow_mobilenet", "--freeze-until", "block_13", "--holdout", "100X"]
    code, out, errors = magsig(*command, *QUICK[2:], "--json")
    assert code == 0, errors
    (record,) = json.loads(out)["done"]
    assert record["encoder"] == "networks:narrow_mobilenet"
    assert 0 < record["trained_weights"] < record["all_weights"]
    assert f"{record['trained_weights']:,} of {record['all_weights']:,} weights trained" in errors
    encoder = keras.models.load_model(Path(record["folder"]) / "model.keras", safe_mode=True).get_layer("encoder")
    assert encoder.output_shape == (None, 1280)
    assert not encoder.get_layer("block_13_project").trainable
    assert encoder.get_layer("block_14_expand").trainable


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "glr"], "Expected a method, found 'glr'. Did you mean 'grl'"),
        (["--holdout", "4000"], "found '4000'. Did you mean '400X'"),
        (["--encoder", "resnet5"], "Expected an encoder, found 'resnet5'. Did you mean 'resnet50'"),
        (["--encoder", "hf:absent"], "Expected a vision transformer in absent: config.json"),
        (["--encoder", "no.such:thing"], "Expected an encoder function at no.such:thing"),
        (["--encoder", "small_cnn", "--weights", "imagenet"], "found 'imagenet'"),
        (["--encoder", "small_cnn", "--weights", "gone.h5"], "Expected a weight file at gone.h5"),
        (["--encoder", "small_cnn", "--freeze-until", "conv9"], "found 'conv9'. The nearest are conv4, conv3"),
        (["--set", "lamda_max=1"], "found 'lamda_max'. Did you mean 'lambda_max'"),
        (["--set", "epochs"], "Expected --set key=value, found 'epochs'"),
        (["--set", "augment=[Quarter]"], "found 'Quarter'"),
        (["--patient-fold", "9"], "Expected patient folds from 0 to 4, found 9"),
        (["--dataset", "tinny"], "Did you mean 'tiny'"),
        (["--config", "paprika"], "Did you mean 'paper'"),
        (["--magnifications", "100X", "--holdout", "100X"], "Expected at least two magnifications"),
    ],
)
def test_a_slip_is_one_line_exit_2_and_leaves_nothing(magsig, workspace, words, said):
    quick = [] if "--encoder" in words else QUICK
    before = sorted(workspace.glob("runs/**/run.json"))
    code, out, errors = magsig("train", *(quick or ["--epochs", "1"]), *words)
    assert code == 2
    assert out == ""
    lines = [line for line in errors.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in errors
    assert sorted(workspace.glob("runs/**/run.json")) == before


def test_a_workspace_without_data_says_how_to_get_some(capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        main(["train", "--workspace", str(tmp_path)])
    assert left.value.code == 2
    assert "Run `magsig prepare --source" in capsys.readouterr().err


def test_an_unknown_command_offers_the_nearest(capsys):
    with pytest.raises(SystemExit) as left:
        main(["trian"])
    assert left.value.code == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_a_dry_run_lists_the_runs_and_trains_nothing(magsig, workspace):
    before = sorted(workspace.glob("runs/**/run.json"))
    code, out, _ = magsig("reproduce", "--config", "paper", "--dataset", "tiny", "--encoder", "small_cnn", "--dry-run")
    assert code == 0
    assert "120 runs on tiny" in out
    assert "Then: evaluate, signatures, probe, claims, report" in out
    assert sorted(workspace.glob("runs/**/run.json")) == before


@pytest.mark.slow
def test_reproduce_trains_the_matrix_and_ends_with_the_tables(magsig, workspace, tmp_path):
    config = tmp_path / "study.yaml"
    config.write_text("dataset: tiny\nmethod: [baseline, grl]\nholdout: [40X, 100X]\n")
    magsig("train", "--holdout", "400X", *QUICK)
    code, out, _ = magsig("reproduce", "--config", str(config), *QUICK)
    assert code == 0
    assert "baseline" in out
    assert "grl" in out
    # other runs in the same workspace are not part of this study
    assert len(list(workspace.glob("runs/tiny/*/*/*/run.json"))) > 4
    numbers = pd.read_csv(workspace / "results" / "tiny" / "summary-study.csv")
    assert set(numbers["holdout"]) == {"40X", "100X", "pooled"}
    assert numbers.loc[numbers["holdout"] == "pooled", "runs"].max() == 2
    assert not (workspace / "results" / "tiny" / "summary.csv").exists()
    signatures = pd.read_csv(workspace / "results" / "tiny" / "signatures-study.csv")
    assert set(signatures["holdout"]) == {"40X", "100X"}
    assert set(signatures["method"]) == {"baseline", "grl", "random-encoder"}
    probes = pd.read_csv(workspace / "results" / "tiny" / "probes-study.csv")
    assert set(probes.loc[probes["kind"] == "method", "subject"]) == {"baseline", "grl"}
    assert out.index("Holdouts compared") < out.index("probes of frozen embeddings") < out.index("the paper's claims")
    claims = pd.read_csv(workspace / "results" / "tiny" / "claims-study.csv")
    assert set(claims["margin"]) == {0.02}
    # the claims of this study rest on its own signatures, not on those of all runs
    assert "magsig signatures" not in " ".join(claims["why"])
    command = ["reproduce", "--config", str(config), *QUICK, "--dry-run"]
    code, out, _ = magsig(*command)
    assert "Then: evaluate (about " in out
    assert "All runs are finished." in out
    code, out, _ = magsig(*command, "--seed", "0", "5")
    assert "Unfinished runs and GANs should take about" in out
    code, out, _ = magsig(*command, "--seed", "0", "5", "--until", "signatures", "--json", "--csv", str(tmp_path / "l"))
    records = json.loads(out)
    assert [(r["title"]) for r in records if r["kind"] == "step"] == ["evaluate", "signatures"]
    assert [r["state"] for r in records if r["kind"] == "run"] == 4 * ["done"] + 4 * ["new"]
    assert len(pd.read_csv(tmp_path / "l")) == len(records)


def test_words_after_an_option_that_takes_several_are_its_values():
    several = {"--seed", "--holdout"}
    words = ["--seed", "0", "1", "2", "--epochs", "3", "--holdout", "40X", "100X"]
    assert _spread(words, several) == [
        *("--seed", "0", "--seed", "1", "--seed", "2", "--epochs", "3", "--holdout", "40X", "--holdout", "100X")
    ]
    assert _spread(["--seed=4", "--json"], several) == ["--seed=4", "--json"]


def test_the_last_of_these_words_are_arguments_where_too_few_are_left():
    several, alone = {"--dataset"}, {"--json"}
    expected = ["--dataset", "a", "--dataset", "b", "grl", "baseline"]
    assert _spread(["--dataset", "a", "b", "grl", "baseline"], several, alone, 2) == expected
    assert _spread(["--json", "grl", "--dataset", "a", "baseline"], several, alone, 2)[-2:] == ["a", "baseline"]
    assert _spread(["--level", "case", "--dataset", "a", "b"], several, alone, 0)[-2:] == ["--dataset", "b"]
    # the value of an option is never an argument
    assert _spread(["--dataset", "a"], several, alone, 2) == ["--dataset", "a"]


METHOD_FILE = """
from pydantic import Field

from magsig_tf.methods.contract import Method, MethodOptions


class WeightedOptions(MethodOptions):
    loss_weight: float = Field(1.0, gt=0, description="weighted: what the loss is multiplied by")


class Weighted(Method):
    Options = WeightedOptions

    def loss(self, step):
        loss, logs = super().loss(step)
        return self.options.loss_weight * loss, logs


class Broken(Method):
    def loss(self, step):
        return step.no_such_tensor, {}
"""


def test_methods_of_the_current_folder_train_and_a_broken_one_costs_its_own_runs(magsig, tmp_path, monkeypatch):
    (tmp_path / "my_methods.py").write_text(METHOD_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    command = ["train", "--method", "my_methods:Broken", "my_methods:Weighted", "--set", "loss_weight=2"]
    code, out, errors = magsig(*command, "--holdout", "100X", *QUICK, "--json")
    answer = json.loads(out)
    assert code == 1
    assert [record["method"] for record in answer["done"]] == ["my_methods:Weighted"]
    (failed,) = answer["failed"]
    assert "Expected the method 'my_methods:Broken' to work, found AttributeError in" in failed["error"]
    assert "my_methods.py, line 21: 'StepTensors' object has no attribute 'no_such_tensor'" in failed["error"]
    assert "Traceback" not in errors
    log = [json.loads(line) for line in (Path(answer["done"][0]["folder"]) / "log.jsonl").read_text().splitlines()]
    assert log[0]["loss"] == pytest.approx(2 * log[0]["classification_loss"])
    summary = {row["method"] for row in answer["summary"]}
    assert summary == {"my_methods:Weighted"}
