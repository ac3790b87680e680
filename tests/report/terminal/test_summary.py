"""The printed table: fits 100 columns, marks the best, stays plain where it is piped."""

import io

import numpy as np
import pytest
from rich.console import Console

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import METRICS, load_runs, summarise
from magsig_tf.evaluation.printed import number
from magsig_tf.report.terminal.results import check_shown, print_summary
from tests.evaluation.fake_runs import FakeStudy


def printed(summary, terminal=False, width=100, **keywords):
    colours = "standard" if terminal else None
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=terminal, color_system=colours)
    print_summary(summary, console=console, **keywords)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(8, 10), images=2)
    study.write()
    study.write(methods=["grl"], config_hash="77777777", selection="oracle")
    return study


@pytest.fixture(scope="module")
def summary(study):
    return summarise(load_runs(study.workspace, study.dataset), metrics=["auc", "f1", "brier", "ece"], replicates=100)


def test_fits_100_columns_as_plain_text(summary):
    text = printed(summary)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    for word in ("40X", "400X", "pooled", "baseline", "8 + 10", "in-domain", "drop", "Brier", "ECE"):
        assert word in text


def test_every_value_stands_above_its_interval(summary):
    row = summary.table.query("label == 'baseline' and holdout == '100X' and metric == 'auc' and level == 'image'")
    row = row[row["quantity"] == "held_out"].iloc[0]
    lines = printed(summary).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("100X"))
    column = lines[at].index(number(row["value"]))
    assert f"{number(row['low'])}-{number(row['high'])}" in lines[at + 1][column - 8 : column + 8]


def test_the_best_complete_row_is_bold_and_an_oracle_never_is(summary):
    lines = printed(summary, terminal=True, metrics=["auc"]).splitlines()
    rows = [line for line in lines if " 8 + 10 " in line]
    for baseline, grl, oracle in zip(rows[0::3], rows[1::3], rows[2::3], strict=True):
        assert "\x1b[1m" not in baseline
        assert "\x1b[1m" in grl
        assert "\x1b[1m" not in oracle
    assert "oracle" in printed(summary)


@pytest.mark.parametrize("width", [100, 80, 60])
def test_no_number_is_shortened_at_any_width_however_many_metrics(study, width):
    everything = summarise(load_runs(study.workspace, study.dataset), replicates=100)
    text = printed(everything, width=width, level="case", metrics=list(METRICS))
    assert max(map(len, text.splitlines())) <= width
    assert "\u2026" not in text
    rows = everything.table.query("level == 'case' and holdout == '100X' and quantity == 'held_out'")
    for row in rows.itertuples():
        assert number(row.value) in text
        # at case level the uncertainty is the same in every replicate, and a bin of a calibration error has few cases
        without = ("no_spread", "biased", "few_cases_for_bins")
        assert (row.reason_code in without) == bool(np.isnan(row.low))
        assert np.isnan(row.low) or f"{number(row.low)}-{number(row.high)}" in text
    assert text.count("drop\n") <= 1


def test_rows_on_other_splits_seeds_or_folds_do_not_compete_for_bold(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(holdouts=["40X"])
    one_fold = {"methods": ["third"], "holdouts": ["40X"], "folds": [0]}
    study.write(**one_fold)
    text = printed(summarise(load_runs(study.workspace, study.dataset), replicates=100), terminal=True)
    rows = {
        name: line
        for line in text.splitlines()
        if " + " in line
        for name in ("baseline", "grl", "third")
        if name in line
    }
    assert "\x1b[1m" in rows["baseline"] + rows["grl"]  # a stray run of a third method takes nothing from them
    assert "\x1b[1m" not in rows["third"]
    assert "third at 40X: other patient folds than the rows beside it" in text


def test_two_rows_on_different_splits_have_no_best(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["baseline"], holdouts=["40X"])
    study.write(methods=["grl"], holdouts=["40X"], split_hash="other")
    text = printed(summarise(load_runs(study.workspace, study.dataset), replicates=100), terminal=True)
    assert "\x1b[1m." not in text
    assert "other splits than the rows beside it" in text


def test_the_threshold_is_named_where_a_shown_metric_needs_it(summary):
    assert "Threshold: 0.5" in printed(summary, metrics=["auc", "f1"])
    assert "Threshold" not in printed(summary, metrics=["auc", "brier"])


def test_what_is_absent_is_said_in_its_cell(tmp_path):
    study = FakeStudy(tmp_path, cases=(0, 10), images=2)
    study.write(methods=["baseline"], holdouts=["40X", "100X"])
    study.write(methods=["grl"], holdouts=["40X"])
    text = printed(summarise(load_runs(study.workspace, study.dataset), replicates=100))
    assert text.count("not defined") >= 2  # in the cell, and in the note
    assert "not run" in text
    assert "AUC not defined: one class" in text


def test_a_case_metric_in_an_image_table_is_refused():
    with pytest.raises(UsageError, match="--level case"):
        check_shown(["patient_recognition_rate"], "image")
