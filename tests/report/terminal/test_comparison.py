"""The printed comparison: fits 100 columns, each difference above its interval, p-values beside."""

import io

import pytest
from rich.console import Console

from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.comparison import compare
from magsig_tf.evaluation.printed import number, p_value
from magsig_tf.report.terminal.results import print_comparison
from tests.evaluation.fake_runs import FakeStudy

LONG = "a-method-with-quite-a-long-name"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(8, 10), images=2)
    study.write(methods=["baseline"])
    study.write(methods=[LONG], holdouts=["40X", "100X"])
    return compare(load_runs(study.workspace, study.dataset), LONG, "baseline", replicates=100)


@pytest.fixture(scope="module")
def text(comparison):
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_comparison(comparison, ["auc", "brier", "patient_recognition_rate"], console)
    return console.file.getvalue()


def test_it_fits_100_columns_and_shortens_nothing(text):
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    for words in (f"{LONG} minus baseline", "image level", "case level", "Holm p", "pooled", "patient rate", "not run"):
        assert words in text
    assert "Above 0 is worse for Brier." in " ".join(text.split())


def test_difference_interval_and_p_stand_together(comparison, text):
    lines = text.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("100X"))
    found = comparison.table.query("holdout == '100X' and metric == 'auc'").set_index("level")
    for level in ("image", "case"):
        cell = found.loc[level]
        for words in (number(cell["value"], True), p_value(cell["p"]), p_value(cell["holm_p"])):
            assert words in lines[at]
        assert f"{number(cell['low'], True)} {number(cell['high'], True)}" in lines[at + 1]
    assert lines[at].index("8 + 10") < lines[at].index(number(found.loc["image", "value"], True))
