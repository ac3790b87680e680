"""Runs that agree decide only where other training cases would say the same."""

import numpy as np
import pytest
from scipy import stats

from magsig_tf.evaluation.claims.agreement import OverRuns, judge_agreement
from magsig_tf.evaluation.claims.verdicts import Verdict

DRAWS = np.resize([-1.0, 1.0], 60)[:, None]


def over(values, by_cases, cases=(20, 20)):
    """Runs whose values all move by as much, up and down, when cases are drawn again."""
    values = np.asarray(values, float)
    return OverRuns(values, values + by_cases * DRAWS, cases)


def judged(values, by_cases=0.1, **settings):
    known = over(values, by_cases, **settings) if by_cases is not None else None
    return judge_agreement([value > 0 for value in values], "1", 1.0, "k is smaller", known)


def test_runs_that_agree_decide_where_other_cases_would_not_change_them():
    assert judged([1.0, 1.1, 0.9, 1.0, 1.2]).verdict == Verdict.HOLDS
    refuted = judged([-1.0, -1.1, -0.9, -1.0, -1.2])
    assert refuted.verdict == Verdict.DOES_NOT_HOLD
    assert 0 < refuted.refuted < 0.001


def test_runs_that_agree_because_they_share_their_cases_decide_nothing():
    found = judged([1.0, 1.1, 0.9, 1.0, 1.2], by_cases=0.6)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert (
        "all of 5 comparisons of runs, but with other training cases the mean could lie on the other side" in found.why
    )


def test_noise_of_the_runs_themselves_counts_too():
    # cases change nothing, but one of six runs is far from the others
    assert judged([0.1, 0.1, 0.1, 0.1, 0.1, 3.0], by_cases=0.0).verdict == Verdict.INCONCLUSIVE
    assert judged([0.1] * 6, by_cases=0.0).verdict == Verdict.HOLDS


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        ([1.0] * 14 + [-1.0], {}, "in 14 of 15 comparisons of runs; they do not agree"),
        ([1.0] * 4, {}, "fewer than 5 comparisons"),
        ([1.0] * 5, {"by_cases": None}, "run `magsig signatures --compare-folds --bootstraps 50`"),
        ([1.0, 1.2, 1.1, 0.9, 1.0], {"cases": (4, 40)}, "fewer than 5 training cases in a class"),
    ],
)
def test_why_nothing_is_decided_is_said(values, settings, words):
    found = judged(values, **settings)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert words in found.why


def test_p_is_that_of_a_t_test_where_cases_change_nothing():
    values = [0.4, 1.0, 0.7, 1.4, 0.2]
    assert over(values, 0.0).contrary() == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6)
    # and with the degrees of freedom of the smaller class where runs are all the same
    spread = np.sqrt(0.1**2 * 60 / 59 * 12 / 11)
    cases = over([0.3] * 5, 0.1, (12, 12))
    assert cases.contrary() == pytest.approx(2 * stats.t.sf(0.3 / spread, 11), rel=1e-6)


def test_few_draws_and_draws_that_are_not_defined_decide_nothing():
    known = over([1.0, 1.1, 0.9, 1.0, 1.2], 0.1)
    few = OverRuns(known.values, known.redrawn[:49], known.cases)
    holes = OverRuns(known.values, np.where(np.arange(60)[:, None] < 11, np.nan, known.redrawn), known.cases)
    for each in (few, holes):
        found = judge_agreement([True] * 5, "1", 1.0, "k is smaller", each)
        assert found.verdict == Verdict.INCONCLUSIVE
        assert "--bootstraps 50" in found.why
