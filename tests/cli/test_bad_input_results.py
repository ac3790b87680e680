"""Finished runs that evaluation cannot or may not use: one line that names the file, and nothing written.

Covered elsewhere, and not repeated here: run.json of every kind, made-up bytes and cells
(tests/runs/test_finished.py, test_fuzz_runs.py), half-finished matrices (test_summary.py, test_claims.py).
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.cli.command_line import magsig, refused
from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy

TABLES = {"summary": ("evaluate",), "comparison": ("compare", "grl", "baseline"), "claims": ("claims",)}


@pytest.fixture
def study(tmp_path):
    """Two methods at one holdout."""
    study = FakeStudy(tmp_path / "workspace", cases=(6, 8), images=1)
    study.write(holdouts=["40X"])
    return study


def evaluate(study, command="evaluate", *words):
    return magsig(command, "--workspace", study.workspace.root, "--replicates", "100", *words)


def damage(study, spoil):
    """Change the predictions of one run and return their path."""
    path = next(study.workspace.root.glob("runs/fake/grl/40X/fold0*/predictions.parquet"))
    frame = spoil(pd.read_parquet(path))
    frame.to_parquet(path)
    return path


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01])
def test_probabilities_that_are_none(study, table, value):
    path = damage(study, lambda frame: frame.assign(probability=frame["probability"].where(frame.index != 3, value)))
    answer = evaluate(study, *TABLES[table])
    refused(answer, 1, "probabilities from 0 to 1", str(path), f", first {value}.", "train it again")
    assert not study.workspace.results().exists()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kept", [0, 60, -50])
def test_predictions_that_are_cut_off(study, table, kept):
    path = damage(study, lambda frame: frame)
    path.write_bytes(path.read_bytes()[:kept])
    refused(evaluate(study, *TABLES[table]), 1, "readable predictions", str(path), "train it again")
    assert not study.workspace.results().exists()


@pytest.mark.parametrize("table", TABLES)
def test_a_run_on_other_data_in_the_same_folder(study, table):
    folder = study.write_run("grl", "100X", 0, 0, dataset_hash="0123456789abcdef")
    refused(evaluate(study, *TABLES[table]), 1, DATASET_HASH, "0123456789abcdef", str(folder), "Move them away")
    assert not study.workspace.results().exists()


@pytest.mark.parametrize("table", TABLES)
def test_seeds_of_a_method_on_two_splits(study, table):
    folder = study.write_run("grl", "40X", 0, 1, split_hash="another-split")
    answer = evaluate(study, *TABLES[table])
    refused(answer, 1, "split-40X-0", "another-split", str(folder), "Move the runs of the older split aside")
    assert not study.workspace.results().exists()


def test_two_methods_on_two_splits_are_not_compared_and_both_hashes_are_said(study):
    for path in study.workspace.root.glob("runs/fake/grl/40X/*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"split_hash": "another-split"}))
    said = " ".join(evaluate(study).out.split())
    assert "grl at 40X: other splits than the rows beside it, so it is not compared with them" in said
    assert "another-split" in said
    assert "split-40X-0" in said
    refused(evaluate(study, "compare", "grl", "baseline"), 1, "another-split", "split-40X-0")
    claims = json.loads(evaluate(study, "claims", "--json").out)
    assert {claim["verdict"] for claim in claims} == {"not run"}


def test_one_class_in_the_test_of_every_fold_is_not_defined(tmp_path):
    study = FakeStudy(tmp_path / "workspace", cases=(0, 8), images=1)
    study.write(holdouts=["200X", "400X"])
    answer = evaluate(study)
    assert answer.code == 0
    assert "AUC not defined: one class" in " ".join(answer.out.split())
    assert "not defined" in " ".join(evaluate(study, "compare", "grl", "baseline").out.split())
    claims = {claim["claim"]: claim for claim in json.loads(evaluate(study, "claims", "--json").out)}
    assert claims["auc_gain_200X"]["verdict"] == "inconclusive"
    assert "not defined with 0 benign and 8 malignant test cases" in claims["auc_gain_200X"]["why"]


def test_one_class_in_one_fold_leaves_the_others_and_the_fold_is_named(tmp_path):
    study = FakeStudy(tmp_path / "workspace", cases=(1, 11), images=2)
    study.write(methods=["grl"], holdouts=["40X"])
    answer = evaluate(study)
    assert answer.code == 0
    assert "without patient fold 1, not defined there: one class" in " ".join(answer.out.split())


@pytest.mark.parametrize("name", ["signatures", "signature_pairs", "signature_predictions"])
def test_a_table_of_signatures_that_is_cut_off_is_named_with_what_rebuilds_it(study, name):
    folder = study.workspace.results() / study.dataset
    folder.mkdir(parents=True)
    path = folder / f"{name}.parquet"
    shutil.copy(next(study.workspace.root.glob("runs/**/predictions.parquet")), path)
    path.write_bytes(path.read_bytes()[:-40])
    refused(evaluate(study, "claims"), 1, str(path), "Repeat `magsig signatures --compare-folds`")


def test_damaged_tables_of_the_summary_are_written_anew(study):
    evaluate(study)
    path = study.workspace.results() / study.dataset / "summary.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert evaluate(study).code == 0
    assert len(pd.read_parquet(path)) > 100
