"""Tables say in words what a metric means and why a number is absent."""

import pytest

from magsig_tf import reasons
from magsig_tf.evaluation import METRICS
from magsig_tf.reasons import Reason
from magsig_tf.report.words import MEANINGS, absent, in_a_cell, meanings


def test_every_metric_has_a_meaning_that_says_where_lower_is_better():
    assert list(MEANINGS) == list(METRICS)
    lower = {name for name, metric in METRICS.items() if metric.better == "lower"}
    assert {name for name, words in MEANINGS.items() if "lower is better" in words} == lower
    assert meanings(["specificity"]) == "specificity: share of benign ones classified as benign."


@pytest.mark.parametrize(
    ("codes", "cell", "metric"),
    [
        ([], "not defined", "not defined"),
        ([reasons.NOT_IN_STUDY], "not run", "not run"),
        ([reasons.FEW_CASES, reasons.NO_PAIR], "not run", "not run"),
        ([reasons.SATURATED, reasons.ONE_CLASS], "saturated", "not defined"),
    ],
)
def test_a_cell_without_a_number_says_why_by_code_whatever_the_sentence(codes, cell, metric):
    why = [Reason(code, "words that no program reads: not run") for code in codes]
    assert (" ".join(in_a_cell(why).split()), absent(why)) == (cell, metric)
