"""The stability index against hand-worked sets, the formulas of the authors, and what it must be for chance."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.stability import nogueira_stability, same_stability_p_value

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
