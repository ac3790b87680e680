"""Calibration errors in tables: corrected, beside what was measured, with an interval where one holds."""

import io

import numpy as np
import pytest
from rich.console import Console

from magsig_tf.evaluation import load_runs, summarise, summary_notes
from magsig_tf.evaluation.comparison import compare
from magsig_tf.evaluation.printed import number
from magsig_tf.report.terminal.results import print_summary
from tests.evaluation.fake_runs import FakeStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("bins"), cases=(9, 11), images=5, folds=2)
    study.write(holdouts=["40X"])
    return study


@pytest.fixture(scope="module")
def table(study):
    return summarise(load_runs(study.workspace, study.dataset), replicates=80)


def rows(frame, metric, level="image"):
    kept = (frame["metric"] == metric) & (frame["level"] == level)
    return frame[kept & (frame["quantity"] == "held_out")].set_index("label")


def test_the_corrected_error_is_below_the_measured_one_which_has_no_interval(table):
    for name in ("ece", "ece_equal_width"):
        corrected, measured = rows(table.table, name), rows(table.table, f"{name}_raw")
        assert (corrected["value"] < measured["value"]).all()
        assert corrected["low"].between(0, corrected["value"]).all()
        assert measured["low"].isna().all()
        assert set(measured["reason_code"]) == {"biased"}
        assert (corrected["fold_mean"] < measured["fold_mean"]).all()


def test_at_case_level_neither_it_nor_a_difference_has_an_interval(study, table):
    assert set(rows(table.table, "ece", "case")["reason_code"]) == {"few_cases_for_bins"}
    loaded = load_runs(study.workspace, study.dataset)
    compared = compare(loaded, "grl", "baseline", metrics=["ece"], replicates=40)
    by_level = compared.table.set_index("level")[["low", "p"]]
    assert np.isnan(by_level.loc["case"].to_numpy(float)).all()
    assert np.isfinite(by_level.loc["image"].to_numpy(float)).all()


def test_the_terminal_has_both(table):
    stream = io.StringIO()
    print_summary(table, metrics=["auc", "ece"], console=Console(file=stream, width=100, highlight=False))
    for label in ("baseline", "grl"):
        assert f"raw {number(rows(table.table, 'ece_raw').loc[label, 'value'])}" in stream.getvalue()
    notes = " ".join(summary_notes(table, "case", ["auc", "ece"]))
    assert "ECE no interval at case level, where a bin has few cases" in notes
