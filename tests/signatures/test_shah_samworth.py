"""Bounds on false selections against a published output, hand-worked values, and pure noise."""

import math

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.stability import bound_false_selections, unimodal_bound, worst_case_bound


def test_the_unimodal_bound_is_what_the_r_package_stabs_printed():
    # a public analysis script quotes what stabs printed for q = 20, cutoff 0.8 and its default of 50 pairs: PFER
    # 3.743316, level 0.0425 for each dimension, hence p = 88
    assert unimodal_bound(20, 88, 0.8, 50) == pytest.approx(3.743316, abs=1e-6)
    assert unimodal_bound(20, 88, 0.8, 50) / 88 == pytest.approx(0.0425, abs=5e-5)


def test_bounds_worked_by_hand():
    assert worst_case_bound(10, 100, 0.9) == pytest.approx(100 / (0.8 * 100))
    # at 0.6 the factor is 1 / (2 (0.2 - 0.01)), at 0.9 it is 4 x 0.11 / 1.02
    assert unimodal_bound(10, 100, 0.6, 50) == pytest.approx(1 / 0.38)
    assert unimodal_bound(10, 100, 0.9, 50) == pytest.approx(0.44 / 1.02)


def test_the_unimodal_theorem_does_not_hold_for_large_selections_or_low_thresholds():
    assert math.isnan(unimodal_bound(60, 100, 0.9, 50))
    assert math.isnan(unimodal_bound(50, 100, 0.55, 50))
    with pytest.raises(DataError, match=r"above 0\.5"):
        worst_case_bound(10, 100, 0.5)


def planted(rng, pairs, p, always, noise):
    selected = rng.random((pairs, 2, p)) < noise
    selected[..., :always] = True
    return selected


def test_a_few_stable_dimensions_are_found_with_a_bound_below_their_number():
    found = bound_false_selections(planted(np.random.default_rng(0), 50, 500, 8, 0.02))
    assert found.stable == 8
    assert found.mean_size == pytest.approx(8 + 492 * 0.02, rel=0.1)
    assert found.bound < 1
    assert found.unimodal_bound < found.bound
    assert found.reason == ""


def test_a_vacuous_bound_says_so():
    found = bound_false_selections(planted(np.random.default_rng(1), 50, 100, 30, 0.4))
    assert found.stable == 30
    assert found.bound > 30
    assert "is vacuous for 30 stable" in found.reason
    assert "unimodal" in found.reason


def test_noise_is_not_stable_and_an_empty_selection_says_so():
    assert "no dimension is stable" in bound_false_selections(planted(np.random.default_rng(2), 50, 200, 0, 0.1)).reason
    assert "selects a dimension" in bound_false_selections(np.zeros((5, 2, 7), bool)).reason
    with pytest.raises(DataError, match=r"\(pairs, 2, p\)"):
        bound_false_selections(np.zeros((5, 7), bool))


def test_truly_random_selection_keeps_below_the_bound():
    rng = np.random.default_rng(3)
    found = [bound_false_selections(rng.random((10, 2, 50)) < 0.3, 0.6) for _ in range(40)]
    assert 0 < np.mean([each.stable for each in found]) <= np.mean([each.bound for each in found])
