"""A run's folder is complete, or can be resumed."""

import json

import numpy as np
import pandas as pd
import pytest

from magsig_tf.atomic_files import read_json
from magsig_tf.config_files import build_config
from magsig_tf.data.splits import split_of
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.locks import holding
from magsig_tf.runs.record import write_record
from magsig_tf.runs.run import Run
from magsig_tf.training.planning import estimated_seconds, plan_matrix
from magsig_tf.training.run import execute, execute_matrix, opening_record
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset


class Watcher(Observer):
    def __init__(self):
        self.epochs, self.notes, self.steps = [], [], []

    def step_done(self, step):
        self.steps.append(step)

    def epoch_done(self, summary):
        self.epochs.append(summary)

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def prepared(workspace):
    return tiny_dataset(workspace)


def run_of(workspace, **changes):
    config = tiny_config(**changes)
    return Run.of(
        workspace,
        config.for_run(dataset="tiny", method=config.settings.method[0], holdout="400X", patient_fold=0, seed=0),
    )


@pytest.fixture(scope="module")
def finished(workspace, prepared):
    run, watcher = run_of(workspace, method=["grl"], select_from=0.5), Watcher()
    execute(run, prepared, watcher)
    return run, watcher


def test_a_finished_run_holds_what_later_steps_read(finished, prepared):
    run, watcher = finished
    record = read_json(run.folder / "run.json")
    split = split_of(run.config, prepared)
    assert record["status"] == "done"
    assert record["split_hash"] == split.hash
    assert record["cases_per_class"]["test"] == {"benign": 2, "malignant": 2}
    assert set(record["chosen"]) == {"epoch", "step", "validation_loss", "state"}
    assert record["chosen"]["state"]["lambda"] > 0.9 * run.config.options["grl"].lambda_max
    predictions = pd.read_parquet(run.folder / "predictions.parquet")
    assert predictions.columns.tolist() == [
        *("row", "part", "case", "slide", "magnification", "label", "probability", "logit")
    ]
    assert predictions.groupby("part").size().to_dict() == {"in_domain_test": 24, "test": 8, "validation": 24}
    assert set(predictions.loc[predictions["part"] == "test", "magnification"]) == {"400X"}
    np.testing.assert_allclose(predictions["probability"], 1 / (1 + np.exp(-predictions["logit"])))
    with np.load(run.folder / "embeddings.npz", allow_pickle=False) as stored:
        assert stored["embedding"].shape == (72 + 24 + 24 + 8, 128)
        assert stored["embedding"].dtype == np.float32
        assert set(stored["part"]) == {"train", "validation", "in_domain_test", "test"}
        assert stored["case"].tolist() == prepared.manifest["case"].to_numpy()[stored["row"]].tolist()
    assert watcher.steps == list(range(1, 13))


def test_the_saved_model_gives_the_stored_predictions(finished, prepared):
    import keras

    run, _ = finished
    model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
    predictions = pd.read_parquet(run.folder / "predictions.parquet")
    pixels = prepared.images[predictions["row"].to_numpy()].astype(np.float32)
    np.testing.assert_allclose(model(pixels)["logit"][:, 0], predictions["logit"], atol=1e-5)


def test_the_chosen_epoch_has_the_lowest_validation_loss_after_select_from(finished):
    run, watcher = finished
    eligible = [epoch for epoch in watcher.epochs if (epoch.epoch + 1) / epoch.epochs >= 0.5]
    best = min(eligible, key=lambda epoch: epoch.validation_loss)
    assert read_json(run.folder / "run.json")["chosen"]["epoch"] == best.epoch


def test_the_log_holds_domain_accuracy_and_lambda(finished):
    run, _ = finished
    records = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    epochs = [record for record in records if record["kind"] == "epoch"]
    assert len(epochs) == 2
    assert {"loss", "domain_loss", "domain_accuracy", "lambda", "validation_loss", "validation_auc"} <= set(epochs[0])
    assert epochs[0]["lambda"] < epochs[1]["lambda"]


def test_a_done_run_is_not_trained_again(finished, prepared):
    run, _ = finished
    watcher = Watcher()
    before = (run.folder / "model.keras").stat().st_mtime_ns
    execute(run, prepared, watcher)
    assert watcher.steps == []
    assert (run.folder / "model.keras").stat().st_mtime_ns == before


def test_a_second_process_is_told_who_holds_the_run(workspace, prepared):
    import os

    run = run_of(workspace, dropout=0.3)
    with holding(run.folder / "lock", "the run"), pytest.raises(RunError, match=str(os.getpid())):
        execute(run, prepared, Observer())


@pytest.mark.parametrize("name", ["dataset_hash", "split_hash"])
def test_a_run_of_other_data_or_another_split_is_refused(workspace, prepared, name):
    run = run_of(workspace, dropout=0.31)
    run.folder.mkdir(parents=True, exist_ok=True)
    split = split_of(run.config, prepared)
    record = opening_record(run, prepared, split, {})
    write_record(run.folder, record.with_changes(**{name: "another"}))
    with pytest.raises(RunError, match=f"{name} .* found another"):
        execute(run, prepared, Observer())


def test_a_checkpoint_of_another_config_is_refused(workspace, prepared, monkeypatch):
    class Stop(Observer):
        def step_done(self, step):
            if step == 7:
                raise KeyboardInterrupt

    run = run_of(workspace, dropout=0.32)
    with pytest.raises(KeyboardInterrupt):
        execute(run, prepared, Stop())
    other = run_of(workspace, dropout=0.33)
    other.folder.mkdir(parents=True)
    (run.folder / "checkpoint").rename(other.folder / "checkpoint")
    with pytest.raises(RunError, match=f"config_hash {other.config.identity_hash()}, found"):
        execute(other, prepared, Observer())


def test_a_diverged_run_stops_keeps_its_checkpoint_and_says_so(workspace, prepared):
    run = run_of(workspace, learning_rate=1e30, clip_norm=0.0, warmup=0.5, checkpoint_every=1)
    outcome = execute_matrix([run], prepared, Observer())
    assert len(outcome.failed) == 1
    assert "Expected a finite loss" in outcome.failed[0][1]
    record = read_json(run.folder / "run.json")
    assert record["status"] == "failed"
    assert "lower --learning-rate" in record["error"]
    with np.load(run.folder / "checkpoint" / "last.npz") as stored:
        assert all(np.isfinite(stored[name]).all() for name in stored.files if name.startswith("classifier/"))


def test_early_stopping_waits_for_select_from(workspace, prepared):
    # a learning rate of nearly nothing: the first eligible epoch can hardly be beaten
    run = run_of(workspace, learning_rate=1e-12, epochs=8, early_stop=1, select_from=0.5, augment=[], dropout=0.0)
    watcher = Watcher()
    record = execute(run, prepared, watcher).as_json()
    assert record["chosen"]["epoch"] >= 3
    assert 4 < len(watcher.epochs) < 8
    assert any("Stopped early" in note for note in watcher.notes)


def test_the_oracle_looks_at_the_holdout_and_is_marked(workspace, prepared):
    run = run_of(workspace, selection="oracle")
    record = execute(run, prepared, Observer()).as_json()
    assert record["selection"] == "oracle"
    assert "validation_holdout" in set(pd.read_parquet(run.folder / "predictions.parquet")["part"])


def test_a_matrix_names_every_run_once_with_methods_innermost(workspace, prepared):
    config = tiny_config(method=["baseline", "grl"], holdout=["all"], patient_fold=["all"], seed=[0, 1])
    runs = plan_matrix(config, prepared, workspace)
    assert len(runs) == len({run.folder for run in runs}) == 2 * 4 * 5 * 2
    assert [run.config.settings.method for run in runs[:2]] == [["baseline"], ["grl"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"holdout": ["800X"]}, "found '800X'"),
        ({"holdout": ["40X"], "magnifications": ["100X", "200X"]}, "found '40X'"),
        ({"patient_fold": [7]}, "found 7"),
    ],
)
def test_a_matrix_of_what_is_not_there_is_refused(workspace, prepared, change, message):
    with pytest.raises(UsageError, match=message):
        plan_matrix(tiny_config(**change), prepared, workspace)


def test_time_is_estimated_from_finished_runs(finished, workspace, prepared):
    done, _ = finished
    new = run_of(workspace, dropout=0.44)
    assert estimated_seconds([new]) is None
    assert estimated_seconds([done, new, new]) == pytest.approx(2 * done.record.seconds)


def test_options_of_one_method_do_not_rename_the_runs_of_another():
    a, b = (build_config({"method": "baseline", "lambda_max": value}).identity_hash() for value in (0.3, 1.0))
    assert a == b
