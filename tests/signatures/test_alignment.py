"""Dimensions and embeddings of two networks that are alike, and of two that are not."""

from itertools import permutations

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.alignment import debiased_cka, linear_cka, match_dimensions, matched_correlations
from magsig_tf.signatures.overlap import measure_overlap


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


def test_one_dimension_each_gives_the_squared_correlation():
    # x = -1, 0, 1 and y = -1, -1, 2: x'y = 3, x'x = 2, y'y = 6, so 9 / 12
    assert linear_cka(np.array([[0.0], [1], [2]]), np.array([[4.0], [4], [7]])) == pytest.approx(0.75)


def test_against_the_form_with_gram_matrices_of_images():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(30, 5)), rng.normal(size=(30, 8))
    centre = np.eye(30) - 1 / 30
    k, m = (centre @ x @ x.T @ centre for x in (first, second))
    assert linear_cka(first, second) == pytest.approx((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))


def test_rotation_permutation_shift_and_scale_change_nothing():
    rng = np.random.default_rng(1)
    embedding = rng.normal(size=(40, 6)) * np.arange(1, 7)
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    assert linear_cka(embedding, 3 * embedding @ rotation + 2) == pytest.approx(1)
    assert linear_cka(embedding, embedding[:, ::-1]) == pytest.approx(1)
    assert linear_cka(embedding, embedding[rng.permutation(40)]) < 0.5


def test_what_does_not_vary_is_not_defined_and_unequal_rows_are_refused():
    assert np.isnan(linear_cka(np.full((5, 2), 0.1), np.eye(5)))
    with pytest.raises(DataError, match="5 and 4 rows"):
        linear_cka(np.eye(5), np.eye(4))


def direct_debiased(first, second):
    """The estimator of Song et al. term by term, from Gram matrices of embeddings that are not even centred."""
    n = len(first)

    def hsic(x, y):
        k, m = x @ x.T, y @ y.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(m, 0)
        one = np.ones(n)
        sums = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + sums - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    return hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))


@pytest.mark.parametrize("lengths", [(3, 5), (5, 200), (200, 3), (150, 180)])
def test_the_debiased_form_is_that_of_gram_matrices_on_either_side(lengths):
    rng = np.random.default_rng(sum(lengths))
    common = rng.normal(size=(24, 3))
    first, second = (common @ rng.normal(size=(3, p)) + 2 * rng.normal(size=(24, p)) + 7 for p in lengths)
    assert debiased_cka(first, second) == pytest.approx(direct_debiased(first, second), rel=1e-9)


def test_noise_is_alike_in_the_plain_form_and_unlike_in_the_debiased_one():
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=(60, 300)), rng.normal(size=(60, 300))) for _ in range(20)]
    assert min(linear_cka(*pair) for pair in pairs) > 0.8
    assert np.mean([debiased_cka(*pair) for pair in pairs]) == pytest.approx(0, abs=0.02)


def test_an_embedding_is_like_itself_rotated_and_scaled_in_the_debiased_form_too():
    rng = np.random.default_rng(4)
    embedding = rng.normal(size=(30, 50))
    rotation, _ = np.linalg.qr(rng.normal(size=(50, 50)))
    assert debiased_cka(embedding, -2 * embedding @ rotation + 3) == pytest.approx(1)


def test_the_debiased_form_needs_four_images_and_more_than_one_that_differs():
    rng = np.random.default_rng(5)
    assert np.isnan(debiased_cka(*rng.normal(size=(2, 3, 6))))
    alone = np.zeros((12, 6))
    alone[4] = 1
    assert np.isnan(debiased_cka(alone, rng.normal(size=(12, 6))))
    assert np.isnan(debiased_cka(np.full((12, 2), 0.3), rng.normal(size=(12, 6))))


def test_every_dimension_of_the_shorter_embedding_finds_its_partner():
    rng = np.random.default_rng(6)
    longer = rng.normal(size=(40, 9))
    shorter = longer[:, [7, 2, 4]] * [1, 5, 0.1] + 2
    assert matched_correlations(longer, shorter) == pytest.approx(np.ones(3))
    assert matched_correlations(shorter, longer) == pytest.approx(np.ones(3))
