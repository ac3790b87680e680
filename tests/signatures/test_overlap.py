"""Overlap beside chance by hand-worked sets."""

import re
from itertools import combinations

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.overlap import chance_of_sharing, expected_jaccard, fewest_shared, measure_overlap


def mask(members, dimensions):
    return np.isin(np.arange(dimensions), list(members))


def all_pairs(first, second, dimensions):
    """Shared dimensions of a fixed set with every set of another size: what independence gives, by counting."""
    fixed = set(range(first))
    return [len(fixed & set(other)) for other in combinations(range(dimensions), second)]


@pytest.mark.parametrize(("first", "second", "dimensions"), [(2, 3, 6), (4, 4, 7), (1, 5, 8), (3, 3, 3)])
def test_chance_is_what_counting_every_pair_of_sets_gives(first, second, dimensions):
    shared = np.array(all_pairs(first, second, dimensions))
    assert expected_jaccard(first, second, dimensions) == pytest.approx(np.mean(shared / (first + second - shared)))
    for least in range(min(first, second) + 1):
        assert chance_of_sharing(least, first, second, dimensions) == pytest.approx(np.mean(shared >= least))


def test_a_worked_example():
    # {0, 1} and {1, 2} of 4: J = 1/3; of the 6 sets of two, 1 is {0, 1}, 4 share one (J = 1/3) and 1 shares none
    overlap = measure_overlap(mask({0, 1}, 4), mask({1, 2}, 4))
    assert (overlap.first, overlap.second, overlap.shared) == (2, 2, 1)
    assert overlap.jaccard == pytest.approx(1 / 3)
    assert overlap.expected == pytest.approx((1 + 4 / 3) / 6)
    assert overlap.adjusted == pytest.approx((1 / 3 - 7 / 18) / (1 - 7 / 18))
    assert overlap.p_value == pytest.approx(5 / 6)
    assert (overlap.ceiling, overlap.reason) == (1, "")


@pytest.mark.parametrize(("size", "jaccard"), [(1074, 0.355), (306, 0.081)])
def test_random_sets_of_the_printed_sizes_overlap_this_much(size, jaccard):
    assert round(expected_jaccard(size, size, 2048), 3) == jaccard


def test_a_mean_size_of_1074_over_four_folds_cannot_have_near_zero_overlap_in_every_pair():
    # 4 x 1,074 = 2 x 2,048 + 200: 200 dimensions lie in three sets at least, the others in two
    assert fewest_shared([1074] * 4, 2048) == (200 * 3 + 1848) / 6 == 408
    assert fewest_shared([2048, 2048, 150, 50], 2048) == 408  # only the mean size matters
    assert fewest_shared([512] * 4, 2048) == 0


@pytest.mark.parametrize("sizes", [(3, 2, 2), (4, 4, 1), (2, 2, 1)])
def test_no_choice_of_sets_shares_less_than_the_bound(sizes):
    choices = [list(combinations(range(4), size)) for size in sizes]
    least = min(
        np.mean([len(set(x) & set(y)), len(set(x) & set(z)), len(set(y) & set(z))])
        for x in choices[0]
        for y in choices[1]
        for z in choices[2]
    )
    # the pigeonhole bound knows the sum of sizes only, so it may lie below what is reached, never above
    assert fewest_shared(sizes, 4) <= least
    assert (fewest_shared(sizes, 4) == 0) == (sum(sizes) <= 4)


def test_identical_sets_are_as_far_above_chance_as_can_be():
    overlap = measure_overlap(mask(range(10), 50), mask(range(10), 50))
    assert (overlap.jaccard, overlap.adjusted, overlap.ceiling) == (1, 1, 1)
    assert overlap.p_value < 1e-9


def test_the_ceiling_is_what_a_set_inside_another_reaches():
    overlap = measure_overlap(mask(range(5), 50), mask(range(20), 50))
    assert overlap.jaccard == overlap.ceiling == 0.25


@pytest.mark.parametrize(
    ("first", "second", "said"), [([], [], "both"), ([], [1], "one signature is empty"), ([1], range(4), "all dim")]
)
def test_what_the_sizes_alone_decide_says_so(first, second, said):
    overlap = measure_overlap(mask(first, 4), mask(second, 4))
    assert said in overlap.reason
    assert np.isnan(overlap.adjusted)
    assert np.isnan(overlap.p_value)


def test_sets_over_different_embeddings_are_refused():
    with pytest.raises(DataError, match="same dimensions"):
        measure_overlap(np.ones(4, bool), np.ones(5, bool))
    with pytest.raises(DataError, match="sizes 5, 1 of 4"):
        expected_jaccard(5, 1, 4)


def test_the_worked_example_of_the_documentation_is_calculated_right(root):
    text = (root / "docs" / "signatures.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) and [\d,]+ \| (\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) == 2
    for size, shared, *printed in rows:
        size, shared = int(size.replace(",", "")), int(shared)
        overlap = measure_overlap(mask(range(size), 2048), mask(range(size - shared, 2 * size - shared), 2048))
        found = [f"{value:.3f}" for value in (overlap.jaccard, overlap.expected, overlap.adjusted)]
        p_value = "below 0.001" if overlap.p_value < 0.001 else f"{overlap.p_value:.2f}"
        assert [*found, p_value] == printed
