"""Each verdict from hand-worked intervals, and what must be true of all of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.evaluation.claims.verdicts import (
    Estimate,
    Finding,
    Verdict,
    all_of,
    cases_needed,
    judge_direction,
    judge_equivalence,
    negated,
)
from magsig_tf.statistics.intervals import UNBOUNDED, widening


def estimate(value, half, cases=(20, 20), level=0.95):
    """Return an estimate whose interval of a level reaches that share of `half` to both sides."""
    quantile, factor = widening(cases, level)
    spread = level * half / (quantile * factor) * math.sqrt(1999 / 2000)
    replicates = np.resize([value - spread, value + spread], 2000)
    return Estimate("a minus b", np.array([value, *replicates]), cases, UNBOUNDED)


@pytest.mark.parametrize(
    ("value", "half", "sign", "verdict"),
    [
        (0.10, 0.10, 1, Verdict.HOLDS),
        (0.10, 0.10, -1, Verdict.DOES_NOT_HOLD),
        (-0.10, 0.10, -1, Verdict.HOLDS),
        (-0.10, 0.10, 1, Verdict.DOES_NOT_HOLD),
        (0.09, 0.10, 1, Verdict.INCONCLUSIVE),
    ],
)
def test_a_direction_is_told_by_the_95_percent_interval(value, half, sign, verdict):
    found = judge_direction(estimate(value, half), sign)
    assert found.verdict == verdict
    assert (found.low, found.high) == pytest.approx((value - 0.95 * half, value + 0.95 * half))
    assert found.level == 0.95
    assert np.isfinite(found.cases_needed) == (verdict == Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("value", "half", "verdict"),
    [
        (0.000, 0.022, Verdict.HOLDS),  # -.0198 to .0198
        (0.000, 0.023, Verdict.INCONCLUSIVE),  # a difference that nobody would call significant is no equivalence
        (0.010, 0.010, Verdict.HOLDS),  # told to be above 0, and too small to matter
        (0.050, 0.030, Verdict.DOES_NOT_HOLD),
        (-0.050, 0.030, Verdict.DOES_NOT_HOLD),
        (0.030, 0.030, Verdict.INCONCLUSIVE),
    ],
)
def test_equivalence_needs_the_90_percent_interval_inside_the_margin(value, half, verdict):
    found = judge_equivalence(estimate(value, half, level=0.9), 0.02)
    assert found.verdict == verdict
    assert (found.low, found.high) == pytest.approx((value - 0.9 * half, value + 0.9 * half))


def test_the_number_of_cases_is_worked_by_hand():
    # an end .095 away must come within .05: 40 * (.095 / .05)^2 = 144.4, rounded up to two digits
    assert judge_direction(estimate(0.05, 0.1), 1).cases_needed == 150
    assert "about 150 cases would be needed, there are 40" in judge_direction(estimate(0.05, 0.1), 1).why
    # ends .036 away must come within .02 - .01 on the nearer side: 40 * 3.6^2 = 518.4
    assert judge_equivalence(estimate(0.01, 0.04, level=0.9), 0.02).cases_needed == 520
    # outside the margin: an end .036 away must come within .03 - .02
    assert judge_equivalence(estimate(0.03, 0.04, level=0.9), 0.02).cases_needed == 520
    assert cases_needed(40, 0.1, 0.0) == math.inf
    assert "more than 100,000" in judge_direction(estimate(0.0001, 0.1), 1).why


@given(st.integers(10, 500), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_more_cases_are_needed_than_there_are_and_more_for_a_smaller_difference(cases, reach, distance):
    needed = cases_needed(cases, reach, distance)
    assert needed > cases
    assert cases_needed(cases, reach, distance / 2) >= needed


@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.3), st.floats(0.005, 0.1))
def test_mirrored_differences_get_mirrored_verdicts(value, half, margin):
    one, other = estimate(value, half), estimate(-value, half)
    assert judge_direction(one, 1).verdict == judge_direction(other, -1).verdict
    assert negated(judge_direction(one, 1)).verdict == judge_direction(other, 1).verdict
    assert judge_equivalence(one, margin).verdict == judge_equivalence(other, margin).verdict


def test_too_few_cases_of_a_class_tell_nothing():
    for found in (
        judge_direction(estimate(0.5, 0.1, (4, 90)), 1),
        judge_equivalence(estimate(0, 0.001, (90, 4)), 0.02),
    ):
        assert found.verdict == Verdict.INCONCLUSIVE
        assert "fewer than 5 test cases in a class" in found.why
        assert np.isnan(found.low)


def test_all_parts_must_hold():
    found = {verdict: Finding(verdict, f"{verdict.value}.") for verdict in Verdict}
    assert all_of([found[Verdict.HOLDS], found[Verdict.HOLDS]]).verdict == Verdict.HOLDS
    assert all_of([found[Verdict.HOLDS], found[Verdict.INCONCLUSIVE]]).verdict == Verdict.INCONCLUSIVE
    assert all_of([found[Verdict.INCONCLUSIVE], found[Verdict.NOT_RUN]]).verdict == Verdict.NOT_RUN
    assert all_of(list(found.values())).verdict == Verdict.DOES_NOT_HOLD
    assert all_of(list(found.values())).why == "does not hold."
    assert negated(found[Verdict.NOT_RUN]).verdict == Verdict.NOT_RUN
    needed = [judge_direction(estimate(value, 0.1), 1) for value in (0.05, 0.02)]
    assert all_of(needed).cases_needed == needed[1].cases_needed


def test_one_of_many_parts_refutes_a_claim_only_with_a_p_that_counts_the_parts():
    # the interval of 95 % just leaves 0 out, on the wrong side: p between .04 and .05
    refuted = judge_direction(estimate(-0.0955, 0.1), 1)
    unsure = judge_direction(estimate(0.01, 0.1), 1)
    assert refuted.verdict == Verdict.DOES_NOT_HOLD
    assert 0.04 < refuted.refuted < 0.05
    assert all_of([refuted]).verdict == Verdict.DOES_NOT_HOLD
    whole = all_of([unsure, refuted])
    assert whole.verdict == Verdict.INCONCLUSIVE
    assert "As one of 2 parts that is not enough: p .04" in whole.why
    clear = judge_direction(estimate(-0.3, 0.1), 1)
    assert all_of([unsure] * 9 + [clear]).verdict == Verdict.DOES_NOT_HOLD
    # that all hold is asked of each part alone, however many there are
    assert all_of([judge_direction(estimate(0.0955, 0.1), 1)] * 9).verdict == Verdict.HOLDS


def test_outside_a_margin_is_a_one_sided_test():
    outside = judge_equivalence(estimate(0.0201 + 0.9 * 0.05, 0.05, level=0.9), 0.02)
    assert outside.verdict == Verdict.DOES_NOT_HOLD
    assert 0.045 < outside.refuted < 0.05
    assert all_of([outside, outside]).verdict == Verdict.INCONCLUSIVE
