"""Values that all replicates agree on: a one-sided bound on a bound, no interval elsewhere, printed as such."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from magsig_tf.evaluation import load_runs, summarise, summary_notes
from magsig_tf.evaluation.comparison import compare
from magsig_tf.evaluation.summary.frame import one_run_table
from magsig_tf.report.page.answers import interval_words
from magsig_tf.report.terminal.results import print_summary
from tests.evaluation.fake_runs import FakeStudy

CASES = (7, 11)
BOUND = 0.05 ** (1 / 7)


def perfect(frame):
    return np.where(frame["label"] == 1, 0.9, 0.1) + np.linspace(-0.05, 0.05, len(frame))


def upside_down(frame):
    return 1 - perfect(frame)


def answer(study, method, answers):
    for folder in study.write(methods=[method], holdouts=["40X", "100X"], folds=[0]):
        frame = pd.read_parquet(folder / "predictions.parquet")
        frame.assign(probability=answers(frame)).to_parquet(folder / "predictions.parquet")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("edge"), cases=CASES, images=3, folds=1, magnifications=("40X", "100X"))
    answer(study, "baseline", perfect)
    answer(study, "grl", upside_down)
    answer(study, "again", perfect)
    return study


@pytest.fixture(scope="module")
def summary(study):
    return summarise(load_runs(study.workspace, study.dataset), replicates=60)


def rows(summary, method, metric, quantity="held_out", level="image"):
    table = summary.table
    kept = (table["method"] == method) & (table["metric"] == metric) & (table["holdout"] == "40X")
    return table[kept & (table["quantity"] == quantity) & (table["level"] == level)].iloc[0]


@pytest.mark.parametrize("level", ["image", "case"])
@pytest.mark.parametrize(
    ("metric", "cases"), [("auc", 7), ("f1", 7), ("accuracy", 7), ("sensitivity", 11), ("specificity", 7)]
)
def test_a_faultless_score_has_the_bound_that_its_cases_allow(summary, level, metric, cases):
    found = rows(summary, "baseline", metric, level=level)
    assert (found["value"], found["high"]) == pytest.approx((1, 1))
    assert found["low"] == pytest.approx(0.05 ** (1 / cases))
    assert (found["interval"], found["reason_code"]) == ("one_sided", "one_sided")


def test_a_score_of_0_has_an_upper_bound_but_f1_has_none(summary):
    found = rows(summary, "grl", "auc")
    assert [found["low"], found["value"], found["high"]] == pytest.approx([0, 0, 1 - BOUND])
    f1 = rows(summary, "grl", "f1")
    assert f1["value"] == 0
    assert np.isnan(f1["low"])
    assert f1["reason_code"] == "no_spread"


def test_a_difference_of_two_such_values_has_no_interval_and_no_p(study, summary):
    drop = rows(summary, "baseline", "auc", "drop")
    assert drop["value"] == 0
    assert np.isnan([drop["low"], drop["high"]]).all()
    assert drop["reason_code"] == "no_spread"
    table = compare(load_runs(study.workspace, study.dataset), "again", "baseline", replicates=60).table
    found = table[(table["metric"] == "auc") & (table["level"] == "image")]
    assert set(found["reason_code"]) == {"no_spread"}
    assert found[["low", "high", "p"]].isna().all().all()


def test_the_terminal_and_the_page_call_it_one_sided(summary):
    stream = io.StringIO()
    print_summary(summary, metrics=["auc"], console=Console(file=stream, width=100, highlight=False))
    text = stream.getvalue()
    lines = text.splitlines()
    (place,) = [number for number, line in enumerate(lines) if ".652-1.000," in line and "40X" in lines[number - 1]]
    assert "1.000" in lines[place - 1]
    assert lines[place + 1].split()[0] == "one-sided"
    assert interval_words(rows(summary, "baseline", "auc")) == "1.000 (.652 to 1.000, one-sided)"
    notes = " ".join(summary_notes(summary, "image", ["auc"]))
    assert "AUC one-sided: 95% lower bound from 7 cases, since all replicates are the same." in notes


def test_the_numbers_of_one_run_say_it_too(study):
    run = next(run for run in load_runs(study.workspace, study.dataset).runs if run.method == "baseline")
    table = one_run_table(run, replicates=40)
    assert set(table.loc[table["metric"] == "auc", "interval"]) == {"one_sided"}
