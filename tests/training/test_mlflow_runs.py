"""Finished runs in a real MLflow store: one each, whole, logged once."""

import json
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.statistics import metrics
from magsig_tf.training import mlflow_runs
from magsig_tf.training.mlflow_runs import ARTIFACTS, EXPERIMENT, URI, MlflowRuns
from magsig_tf.workspace import Workspace

pytestmark = pytest.mark.mlflow


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in (URI, EXPERIMENT):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def run(trained):
    return trained("grl")[0]


def stored(tracker):
    client = tracker._connected()
    experiment = client.get_experiment_by_name("magsig-tiny")
    return client, client.search_runs([experiment.experiment_id])


def test_a_run_is_logged_whole_and_once(run):
    said = []
    for logged, known in ((1, 0), (0, 1)):
        tracker = MlflowRuns(run.workspace, said.append)
        tracker.log(run)
        assert (tracker.logged, tracker.known, tracker.failed) == (logged, known, 0)
    assert said == []
    client, [found] = stored(tracker)
    assert found.info.status == "FINISHED"
    record = run.record.as_json()
    assert found.data.params["lambda_max"] == str(run.config.flat()["lambda_max"])
    assert set(found.data.params) == set(run.config.flat())
    assert found.data.tags["magsig.config_hash"] == record["config_hash"]
    rows = pd.read_parquet(run.folder / "predictions.parquet").query("part == 'test'")
    assert found.data.metrics["test/auc"] == metrics.auc(rows["label"], rows["probability"])
    epochs = client.get_metric_history(found.info.run_id, "epoch/validation_loss")
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    wanted = [(line["step"], line["validation_loss"]) for line in lines if line["kind"] == "epoch"]
    assert [(metric.step, metric.value) for metric in epochs] == wanted
    assert np.isclose(found.data.metrics["epoch/domain_accuracy_chance"], 1 / 3)
    folder = Path(urlparse(found.info.artifact_uri).path)
    assert {path.name for path in folder.iterdir()} == set(ARTIFACTS)
    assert folder.is_relative_to(run.workspace.root.resolve())
    assert (folder / "config.yaml").read_bytes() == (run.folder / "config.yaml").read_bytes()


def test_a_database_elsewhere_leaves_the_current_folder_empty(run, monkeypatch, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv(URI, f"sqlite:///{tmp_path / 'named.db'}")
    monkeypatch.chdir(here)
    tracker = MlflowRuns(run.workspace, pytest.fail)
    tracker.log(run)
    _, [found] = stored(tracker)
    folder = Path(urlparse(found.info.artifact_uri).path)
    assert {path.name for path in folder.iterdir()} == set(ARTIFACTS)
    assert folder.is_relative_to(run.workspace.root.resolve() / "mlflow-artifacts")
    assert not list(here.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"here", "named.db"}


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "databricks", "file:///somewhere", "/somewhere"])
def test_servers_and_folders_choose_the_place_of_artefacts(uri, monkeypatch, tmp_path):
    monkeypatch.setenv(URI, uri)
    assert mlflow_runs.Store.of(Workspace(tmp_path)).artifacts is None


def test_what_was_cut_off_half_way_is_logged_again(run, monkeypatch, tmp_path):
    monkeypatch.setenv(URI, f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.chdir(tmp_path)
    said = []
    broken = MlflowRuns(run.workspace, said.append)
    # a file that is logged after all numbers is away for a while
    away = run.folder / ARTIFACTS[0]
    away.rename(tmp_path / "away")
    broken.log(run)
    broken.log(run)
    (tmp_path / "away").rename(away)
    assert (broken.logged, broken.failed, len(said)) == (0, 2, 1)
    tracker = MlflowRuns(run.workspace, said.append)
    tracker.log(run)
    assert tracker.logged == 1
    _, [found] = stored(tracker)
    assert found.info.status == "FINISHED"


def test_a_store_that_is_away_is_told_in_one_line(run, monkeypatch):
    monkeypatch.setenv(URI, "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = []
    tracker = MlflowRuns(run.workspace, said.append)
    tracker.log(run)
    [sentence] = said
    assert sentence.startswith("Expected an MLflow store at http://127.0.0.1:9, found: ")
    assert sentence.endswith("The runs are safe; repeat the command to log them")
    assert run.status == "done"


def test_without_the_extra_the_remedy_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match=r"found none\. pip install 'magsig\[mlflow\]'"):
        MlflowRuns(Workspace(tmp_path), print)
