"""What permuted signatures share is what chance shares, and reads as nothing however small the signatures."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.signatures import expected_jaccard, measure_overlap, permuted_overlap, permuted_stability


def sets_of(sizes, dimensions):
    return np.array([np.arange(dimensions) < size for size in sizes])


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 300))
def test_the_control_is_chance_whatever_the_signatures_share(first, second, more):
    dimensions = max(first, second) + 1 + more
    overlap = measure_overlap(*sets_of((first, second), dimensions))
    found = permuted_overlap(overlap, "property", first, second, more, draws=20_000)
    assert found.jaccard == pytest.approx(expected_jaccard(first, second, dimensions), abs=0.01)
    assert found.adjusted == pytest.approx(0, abs=0.02)
    assert 0.3 < found.p_value <= 1


def test_the_mean_over_the_draws_is_the_mean_over_all_permutations():
    # two sets of two of four dimensions share 0, 1 or 2 in 1, 4 and 1 of the 6 places of the second
    shared = [len({0, 1} & set(second)) for second in itertools.combinations(range(4), 2)]
    exact = np.mean([each / (4 - each) for each in shared])
    overlap = measure_overlap(*sets_of((2, 2), 4))
    assert overlap.expected == pytest.approx(exact)
    assert permuted_overlap(overlap, "by hand", draws=20_000).jaccard == pytest.approx(exact, abs=0.01)
    assert permuted_overlap(overlap, "by hand").p_value == pytest.approx(5 / 6)


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4), (3, 9, 20)])
def test_stability_of_permuted_sets_is_nothing_or_below_where_sizes_differ(sizes):
    control = permuted_stability(sets_of(sizes, 30), "stability")
    share = np.array(sizes) / 30
    # by hand: the mean of the product of two sets' shares falls short of the squared mean share by their variance / M
    below = share.var(ddof=1) / len(sizes) / (share.mean() * (1 - share.mean()))
    assert control.index == pytest.approx(-below, abs=0.02)
    assert control.mean_size == np.mean(sizes)


def test_the_same_names_give_the_same_control_and_others_another():
    overlap, sets = measure_overlap(*sets_of((5, 5), 30)), sets_of((5, 5, 5), 30)
    assert permuted_overlap(overlap, "a") == permuted_overlap(overlap, "a") != permuted_overlap(overlap, "b")
    indices = [permuted_stability(sets, name).index for name in ("a", "a", "b")]
    assert indices[0] == indices[1] != indices[2]


@pytest.mark.parametrize(("sizes", "jaccard"), [((0, 3), 0.0), ((3, 0), 0.0), ((8, 3), 3 / 8), ((8, 8), 1.0)])
def test_sizes_that_decide_the_overlap_leave_nothing_to_permute(sizes, jaccard):
    found = permuted_overlap(measure_overlap(*sets_of(sizes, 8)), "sizes")
    assert found.jaccard == pytest.approx(jaccard)
    assert np.isnan([found.adjusted, found.p_value]).all()


def test_empty_signatures_have_no_control_and_the_stability_says_why():
    found = permuted_overlap(measure_overlap(*sets_of((0, 0), 8)), "empty")
    assert np.isnan([found.jaccard, found.adjusted, found.p_value]).all()
    assert "every signature is empty" in permuted_stability(sets_of((0, 0), 8), "empty").reason
