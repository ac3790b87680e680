"""Calibration error and the Brier decomposition: hand-worked values, identities, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.statistics.metrics import brier_score, equal_mass_bins, equal_width_bins
from tests.statistics.one_sample import brier_terms, equal_width_error, expected_calibration_error

scored = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40)), min_size=1, max_size=80)


def test_equal_width_error_by_hand():
    # bins of width 1/2: {.1, .3} with labels 0, 1 -> |.5 - .2|; {.9} with label 1 -> |1 - .9|
    value = equal_width_error([0, 1, 1], [0.1, 0.3, 0.9], bins=2)
    assert value == pytest.approx(2 / 3 * 0.3 + 1 / 3 * 0.1)


def test_equal_mass_error_by_hand():
    # halves: {.1, .2} with labels 0, 0 -> .15; {.3, .9} with labels 1, 1 -> .4
    assert expected_calibration_error([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9], bins=2) == pytest.approx(0.275)


def test_equal_mass_bins_hold_equally_many_when_nothing_ties():
    probability = np.random.default_rng(0).random(150)
    assert (np.bincount(equal_mass_bins(probability), minlength=15) == 10).all()


def test_equal_width_bins_have_their_lower_edge_and_the_last_one_both():
    assert equal_width_bins([0.0, 0.25, 0.5, 1.0], bins=4).tolist() == [0, 1, 2, 3]


@settings(deadline=None)
@given(scored, st.integers(1, 4))
def test_equal_mass_bins_keep_ties_together_and_ignore_repetition(pairs, times):
    probability = np.array(pairs)[:, 1] / 40
    bins = equal_mass_bins(probability)
    for value in np.unique(probability):
        assert len(set(bins[probability == value])) == 1
    assert (equal_mass_bins(np.repeat(probability, times)) == np.repeat(bins, times)).all()


@settings(deadline=None)
@given(scored)
def test_brier_score_is_the_sum_of_its_terms(pairs):
    label, probability = np.array(pairs)[:, 0], np.array(pairs)[:, 1] / 40
    terms = brier_terms(label, probability)
    total = terms["reliability"] - terms["resolution"] + terms["uncertainty"] + terms["within_bin"]
    assert total == pytest.approx(brier_score(label, probability), abs=1e-12)


def test_forecasts_equal_within_bins_leave_nothing_within_bins():
    # Murphy's own setting: a few distinct forecasts; two of them, 0.2 (1 of 5 malignant) and 0.8 (3 of 5)
    label = [1, 0, 0, 0, 0, 1, 1, 1, 0, 0]
    terms = brier_terms(label, [0.2] * 5 + [0.8] * 5)
    assert terms["within_bin"] == pytest.approx(0, abs=1e-15)
    assert terms["reliability"] == pytest.approx((0 + (0.8 - 0.6) ** 2) / 2)
    assert terms["resolution"] == pytest.approx(((0.2 - 0.4) ** 2 + (0.6 - 0.4) ** 2) / 2)
    assert terms["uncertainty"] == pytest.approx(0.4 * 0.6)
