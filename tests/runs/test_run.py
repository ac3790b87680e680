"""Runs are read whole or refused by name."""

import json
import shutil

import pandas as pd
import pytest

from magsig_tf.errors import MagsigError, RunError, UsageError
from magsig_tf.evaluation import arrange, load_runs
from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy


@pytest.fixture
def study(tmp_path):
    """A small study without runs."""
    return FakeStudy(tmp_path, cases=(4, 6), images=2)


def load(study, **keywords):
    return load_runs(study.workspace, study.dataset, **keywords)


def test_finished_runs_are_read_and_the_others_named_by_state(study):
    study.write()
    study.write_run("grl", "40X", 0, 7, status="running")
    study.write_run("grl", "40X", 1, 7, status="failed")
    loaded = load(study)
    assert len(loaded.runs) == 16
    assert loaded.unfinished == [("grl 40X fold 0 seed 7", "running"), ("grl 40X fold 1 seed 7", "failed")]
    run = loaded.runs[0]
    assert set(run.part("test")["magnification"]) == {run.holdout}
    assert run.holdout not in set(run.part("in_domain_test")["magnification"])


def test_runs_on_other_data_are_refused_with_both_hashes(study):
    study.write(methods=["baseline"])
    study.write_run("grl", "40X", 0, 0, dataset_hash="another")
    with pytest.raises(RunError) as error:
        load(study)
    assert DATASET_HASH in str(error.value)
    assert "another" in str(error.value)


def test_seeds_of_one_config_on_two_splits_are_refused_with_both_hashes(study):
    study.write_run("grl", "40X", 0, 0)
    study.write_run("grl", "40X", 0, 1, split_hash="other-split")
    with pytest.raises(RunError, match=r"split-40X-0.*other-split"):
        load(study)


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.5])
def test_impossible_probabilities_are_refused_and_the_file_named(study, value):
    path = study.write_run("grl", "40X", 0, 0) / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame.loc[3, "probability"] = value
    frame.to_parquet(path)
    with pytest.raises(RunError, match="from 0 to 1") as error:
        load(study)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("damage", ["missing", "cut", "column", "repeated"])
def test_damaged_predictions_are_named(study, damage):
    path = study.write_run("grl", "40X", 0, 0) / "predictions.parquet"
    frame = pd.read_parquet(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "column":
        frame.drop(columns="case").to_parquet(path)
    else:
        pd.concat([frame, frame.head(1)]).to_parquet(path)
    with pytest.raises(RunError) as error:
        load(study)
    assert str(path) in str(error.value)


def test_a_damaged_run_json_is_named(study):
    path = study.write_run("grl", "40X", 0, 0) / "run.json"
    path.write_text("{")
    with pytest.raises(MagsigError, match=r"run\.json"):
        load(study)
    path.write_text(json.dumps({"status": "done"}))
    with pytest.raises(RunError, match="dataset_hash"):
        load(study)


def test_nothing_finished_says_what_to_run(study):
    study.write_run("grl", "40X", 0, 0, status="running")
    with pytest.raises(RunError, match="magsig train") as error:
        load(study)
    assert "1 running" in str(error.value)


def test_methods_and_configs_can_be_chosen_and_slips_are_met_with_the_nearest(study):
    study.write(holdouts=["40X"])
    assert {run.method for run in load(study, methods=["grl"]).runs} == {"grl"}
    assert {run.method for run in load(study, configs=["ba5"]).runs} == {"baseline"}
    with pytest.raises(UsageError, match="'baseline'"):
        load(study, methods=["basline"])
    with pytest.raises(UsageError, match="ba5e11ne"):
        load(study, configs=["xyz"])


def test_two_configs_of_a_method_stay_apart_and_oracle_says_so(study):
    study.write(holdouts=["40X"], folds=[0])
    study.write_run("grl", "40X", 0, 0, config_hash="9a81be00")
    study.write_run("grl", "40X", 0, 0, config_hash="77777777", selection="oracle")
    labels = [group.label for group in arrange(load(study).runs).groups]
    # the first six letters of two configs are the same: as many are shown as tell them apart
    assert labels == ["baseline", "grl 9a81be0", "grl 9a81bee", "grl 7777777 oracle"]


def test_missing_runs_of_the_matrix_are_named(study):
    study.write(methods=["baseline"], seeds=[0, 1])
    study.write(methods=["grl"], holdouts=["40X", "100X", "200X"], seeds=[0, 1])
    study.write(methods=["grl"], holdouts=["400X"], seeds=[0])
    matrix = arrange(load(study).runs)
    baseline, grl = matrix.groups
    assert matrix.holdouts == ["40X", "100X", "200X", "400X"]
    assert matrix.missing(baseline) == []
    assert matrix.missing(grl) == [("400X", 0, 1), ("400X", 1, 1)]


def test_a_copied_run_folder_is_refused_with_both_paths(study):
    folder = study.write_run("grl", "40X", 0, 0)
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    with pytest.raises(RunError) as error:
        arrange(load(study).runs)
    assert str(folder) in str(error.value)
    assert str(copy) in str(error.value)


def test_a_damaged_run_elsewhere_does_not_stop_a_study_of_its_own_folders(study):
    wanted = study.write_run("grl", "40X", 0, 0)
    (study.write_run("grl", "100X", 0, 0) / "run.json").write_text("{")
    assert [run.folder for run in load(study, folders={wanted}).runs] == [wanted]
    with pytest.raises(MagsigError, match=r"run\.json"):
        load(study)
