"""The printed explanation: fits 100 columns, differences above their intervals, quality above its floor."""

import io

import pytest
from rich.console import Console

from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.augmentation.explanation import explain
from magsig_tf.evaluation.printed import number
from magsig_tf.report.terminal.results import print_explanation
from tests.evaluation.fake_gans import fold_quality, write_gan_run, write_gans
from tests.evaluation.fake_runs import FakeStudy

LONG = "gan-with-quite-a-long-name"


@pytest.fixture(scope="module")
def explanation(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(6, 6), images=2, drop={"gan": 2.5, LONG: 2.0})
    study.write(methods=["baseline", "baseline-resampled"], holdouts=["40X", "100X"])
    for fold in (0, 1):
        write_gans(study, "40X", fold, fold_quality(kid=0.0613, coverage=0.37))
        write_gans(study, "100X", fold, None)
        for holdout in ("40X", "100X"):
            folder = write_gan_run(study, holdout, fold, kept_share=0.42)
        if fold == 0:
            info = {"synthetic": {"gan_folder": "gan/fake/40X/fold0-0123abcd", "kept_share": None}}
            study.write_run(LONG, "40X", fold, 0, **info)
    assert folder.exists()
    return explain(load_runs(study.workspace, study.dataset), study.workspace, replicates=100)


@pytest.fixture(scope="module")
def lines(explanation):
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_explanation(explanation, "image", console)
    return console.file.getvalue().splitlines()


def test_it_fits_100_columns_and_shortens_nothing(lines):
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 100
    assert "…" not in text
    for words in ("method", "minus", "resampled", "- baseline", "pooled", "KID", "kept", "filter"):
        assert words in text
    # a long name goes on in the next lines, broken at its hyphens
    at = next(place for place, line in enumerate(lines) if "gan-with-" in line)
    assert "".join(line[7:17].strip() for line in lines[at : at + 3]) == LONG


def test_a_difference_stands_above_its_interval_and_quality_above_its_floor(explanation, lines):
    table = explanation.table.query("label == 'gan' and holdout == '40X' and patient_fold == 'all'")
    found = table.query("level == 'image' and quantity == 'auc' and reference == 'baseline' and compared == 'gan'")
    at = next(place for place, line in enumerate(lines) if line.startswith("40X"))
    assert number(found["value"].iloc[0], True) in lines[at]
    assert f"{number(found['low'].iloc[0], True)} {number(found['high'].iloc[0], True)}" in lines[at + 1]
    for value, floor in ((".061", ".01"), (".370", ".900")):
        column = lines[at].index(value) + len(value)
        assert lines[at + 1][:column].endswith(floor)
    assert lines[at].rstrip().endswith(".420")


def test_gans_without_a_quality_table_send_the_reader_below(lines):
    at = next(place for place, line in enumerate(lines) if line.startswith("100X"))
    assert "see" in lines[at]
    assert "below" in lines[at + 1]
    assert "gan 100X fold 0, gan 100X fold 1: quality not measured." in lines
