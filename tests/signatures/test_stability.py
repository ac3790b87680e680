"""The stability index and the bounds on false selections against hand-worked values, published output and chance."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.stability import (
    bound_false_selections,
    nogueira_stability,
    same_stability_p_value,
    unimodal_bound,
    worst_case_bound,
)

REFERENCE = json.loads((Path(__file__).parent / "nogueira_reference.json").read_text())


def reference(name):
    return REFERENCE[name], nogueira_stability([list(map(int, row)) for row in REFERENCE[name]["sets"]])


@pytest.mark.parametrize("name", ["first", "second"])
def test_index_variance_and_interval_are_those_of_the_authors_formulas(name):
    expected, found = reference(name)
    assert found.index == pytest.approx(expected["stability"], abs=1e-12)
    assert found.variance == pytest.approx(expected["variance"], abs=1e-12)
    assert found.interval() == pytest.approx((expected["lower"], expected["upper"]), abs=1e-12)


def test_the_test_of_two_procedures_is_that_of_the_authors_formulas():
    (_, first), (_, second) = reference("first"), reference("second")
    assert same_stability_p_value(first, second) == pytest.approx(REFERENCE["p_value"], abs=1e-12)
    assert same_stability_p_value(first, first) == 1


def test_a_worked_example():
    # {0, 1}, {0, 2}: frequencies 1, 1/2, 1/2, 0; mean of s^2 = 2 (0 + 1/4 + 1/4 + 0) / 4 = 1/4; chance 1/2 x 1/2
    stability = nogueira_stability([[1, 1, 0, 0], [1, 0, 1, 0]])
    assert (stability.index, stability.sets, stability.mean_size) == (0, 2, 2)


def test_for_sets_of_one_size_it_is_the_mean_kuncheva_index():
    rng = np.random.default_rng(3)
    sets = [set(rng.choice(20, 6, replace=False)) for _ in range(5)]
    kuncheva = [(len(a & b) - 36 / 20) / (6 - 36 / 20) for a, b in combinations(sets, 2)]
    table = [[dimension in each for dimension in range(20)] for each in sets]
    assert nogueira_stability(table).index == pytest.approx(np.mean(kuncheva))


def test_equal_sets_give_one_and_random_ones_nought():
    assert nogueira_stability(np.tile(np.arange(9) < 4, (5, 1))).index == pytest.approx(1)
    random = np.random.default_rng(0).random((400, 60)) < 0.3
    low, high = nogueira_stability(random).interval()
    assert low < 0 < high
    assert high - low < 0.02


@pytest.mark.parametrize(
    ("table", "said"), [(np.zeros((3, 4)), "empty"), (np.ones((3, 4)), "all dimensions"), ([[1, 0]], "fewer than two")]
)
def test_where_it_is_not_defined_it_says_why(table, said):
    stability = nogueira_stability(table)
    assert said in stability.reason
    assert math.isnan(stability.index)
    assert math.isnan(same_stability_p_value(stability, stability))
    assert all(map(math.isnan, stability.interval()))


def test_something_else_than_a_table_is_refused():
    with pytest.raises(DataError, match=r"shape \(3,\)"):
        nogueira_stability([1, 0, 1])


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
