"""The numbers of a single run are those of the summary, and at each magnification those of its own images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from magsig_tf.evaluation import load_runs, summarise
from magsig_tf.evaluation.summary.frame import OF_ONE_RUN, one_run_table
from tests.evaluation.fake_runs import HOLDOUTS, FakeStudy


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"))
    study.write(methods=["grl"], holdouts=["400X"], folds=[0])
    return load_runs(study.workspace, "fake")


@pytest.fixture(scope="module")
def table(loaded):
    return one_run_table(loaded.runs[0], temperature=2.0, replicates=200)


def one(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    (row,) = table.itertuples()
    return row


def test_the_held_out_rows_are_those_of_the_summary(loaded, table):
    summary = summarise(loaded, replicates=200).table
    summary = summary[(summary["quantity"] == "held_out") & (summary["holdout"] == "400X")]
    for row in summary.itertuples():
        own = one(table, outputs="trained", part="held_out", level=row.level, metric=row.metric)
        for column in ("value", "low", "high", "cases_benign", "cases_malignant", "images"):
            np.testing.assert_equal(getattr(own, column), getattr(row, column))


@pytest.mark.parametrize("magnification", HOLDOUTS)
def test_each_magnification_is_scored_on_its_own_images(loaded, table, magnification):
    part = "test" if magnification == "400X" else "in_domain_test"
    images = loaded.runs[0].part(part, magnification)
    found = one(table, outputs="trained", magnification=magnification, level="image", metric="auc")
    assert found.part == ("held_out" if magnification == "400X" else "in_domain")
    assert found.images == len(images)
    assert found.value == pytest.approx(roc_auc_score(images["label"], images["probability"]), abs=1e-12)


def test_a_temperature_changes_probabilities_and_not_ranks(loaded, table):
    images = loaded.runs[0].part("test")
    served = 1 / (1 + np.exp(-np.log(images["probability"] / (1 - images["probability"])) / 2.0))
    brier = one(table, outputs="served", part="held_out", level="image", metric="brier")
    assert brier.value == pytest.approx(brier_score_loss(images["label"], served), abs=1e-12)
    by_outputs = table[(table["metric"] == "auc") & (table["level"] == "image")].groupby("outputs")["value"].apply(list)
    assert by_outputs["served"] == by_outputs["trained"]


def test_a_magnification_without_test_images_is_not_run(loaded):
    run = loaded.runs[0]
    kept = run.predictions[run.predictions["magnification"] != "40X"]
    table = one_run_table(run.with_predictions(kept), replicates=100)
    assert list(table.columns) == list(OF_ONE_RUN)
    row = one(table, magnification="40X", level="case", metric="auc")
    assert np.isnan(row.value)
    assert row.reason.startswith("not run")
