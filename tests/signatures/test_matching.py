"""Dimensions of two networks are found again by their responses."""

from itertools import permutations

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.overlap import match_dimensions, measure_overlap


def test_shuffled_scaled_dimensions_are_found_again():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200, 12))
    order = rng.permutation(12)
    second = first[:, order] * rng.uniform(0.1, 9, 12) + rng.normal(size=12)
    matching = match_dimensions(first, second)
    assert (order[matching.partner] == np.arange(12)).all()
    assert matching.correlation == pytest.approx(np.ones(12))
    kept = np.arange(12) < 4
    assert measure_overlap(kept, kept[order]).jaccard < 1
    assert measure_overlap(kept, matching.moved(kept[order])).jaccard == 1


def test_the_sum_of_correlations_is_the_greatest_of_all_assignments():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(9, 5)), rng.normal(size=(9, 5))
    table = np.corrcoef(first.T, second.T)[:5, 5:]
    best = max(table[range(5), list(order)].sum() for order in permutations(range(5)))
    assert match_dimensions(first, second).correlation.sum() == pytest.approx(best)


def test_a_constant_dimension_has_no_correlation_with_anything():
    first = np.column_stack([np.arange(6.0), np.full(6, 0.1)])
    matching = match_dimensions(first, first[:, ::-1])
    assert list(matching.partner) == [1, 0]
    assert matching.correlation == pytest.approx([1, 0])


def test_embeddings_of_different_length_are_refused():
    with pytest.raises(DataError, match="found shapes"):
        match_dimensions(np.eye(5), np.eye(5)[:, :4])
