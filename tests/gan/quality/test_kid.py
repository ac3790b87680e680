"""KID against a plain double loop, by hand, and by simulation."""

import numpy as np
import pytest

from magsig_tf.gan.quality.kid import RealKernel, SampleKernel, resampled_kid
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import bootstrap_draws


def kid(real, synthetic):
    case = np.zeros(len(real), int)
    return resampled_kid(RealKernel.of(real, case), SampleKernel.of(real, case, synthetic), np.ones((1, 1)))[0]


def kernel(x, y):
    return (np.dot(x, y) / len(x) + 1) ** 3


def pair_mean(rows):
    return np.mean([kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j])


def looped(real, synthetic):
    cross = np.mean([kernel(x, y) for x in real for y in synthetic])
    return pair_mean(real) + pair_mean(synthetic) - 2 * cross


def rows(count, length, *names):
    return generator_for("kid test", *names).normal(size=(count, length))


def test_two_against_two_by_hand():
    # one dimension: k(0, 1) = 1, k(1, 2) = 27, k(0, 2) = 1, k(1, 1) = 8
    assert kid(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_equals_the_double_loop_and_is_symmetric():
    real, synthetic = rows(9, 5, "real"), rows(7, 5, "synthetic") + 0.5
    assert kid(real, synthetic) == pytest.approx(looped(real, synthetic), rel=1e-9)
    assert kid(real, synthetic) == pytest.approx(kid(synthetic, real), rel=1e-12)


def test_many_rows_are_summed_as_few_are():
    # more than are multiplied at once
    real, synthetic, case = rows(2100, 3, "real"), rows(1100, 3, "synthetic"), np.arange(2100) % 5
    drawn = SampleKernel.of(real, case, synthetic)
    members = (case == np.arange(5)[:, None]).astype(float)
    within, cross, among = (
        (one @ other.T / 3 + 1) ** 3 for one, other in ((real, real), (real, synthetic), (synthetic, synthetic))
    )
    for kernel in (within, among):
        np.fill_diagonal(kernel, 0)
    np.testing.assert_allclose(RealKernel.of(real, case).sums, members @ within @ members.T, rtol=1e-10)
    np.testing.assert_allclose(drawn.cross, members @ cross.sum(1) / 1100, rtol=1e-10)
    assert drawn.mean == pytest.approx(among.sum() / (1100 * 1099), rel=1e-10)


def test_same_distribution_averages_to_zero():
    draws = [kid(rows(12, 4, "a", n), rows(20, 4, "b", n)) for n in range(400)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 3 * error
    assert min(draws) < 0
    assert np.mean([kid(rows(12, 4, "a", n), rows(20, 4, "b", n) + 0.7) for n in range(50)]) > 10 * error


def test_a_case_drawn_twice_is_two_patients_whose_images_do_not_meet():
    case, synthetic = np.array([0, 0, 1, 1, 1, 2]), rows(5, 3, "synthetic")
    real, multiplicity = rows(6, 3, "real"), np.array([2.0, 1.0, 0.0])
    drawn = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (3, 2), (4, 2)]  # image, copy of its case
    pairs = [
        kernel(real[i], real[j])
        for i, copy in drawn
        for j, other in drawn
        if (i, copy) != (j, other) and (case[i] != case[j] or copy == other)
    ]
    cross = np.mean([kernel(real[i], y) for i, _ in drawn for y in synthetic])
    found = resampled_kid(RealKernel.of(real, case), SampleKernel.of(real, case, synthetic), multiplicity[None])
    assert found[0] == pytest.approx(np.mean(pairs) + pair_mean(synthetic) - 2 * cross, rel=1e-9)


def test_replicates_are_centred_on_the_value_although_images_of_a_case_are_alike():
    case = np.repeat(np.arange(30), 6)
    real = rows(30, 8, "cases")[case] + 0.3 * rows(180, 8, "images")
    synthetic = rows(200, 8, "synthetic")
    draws = bootstrap_draws(30, 400, "kid test")
    found = resampled_kid(RealKernel.of(real, case), SampleKernel.of(real, case, synthetic), draws)
    assert found[0] == pytest.approx(kid(real, synthetic), rel=1e-9)
    assert abs(found[1:].mean() - found[0]) < 0.25 * found[1:].std()


def test_halves_are_compared_as_two_sets():
    real, case = rows(12, 3, "real"), np.arange(12) // 3
    first = np.array([True, False, True, False])
    expected = looped(real[first[case]], real[~first[case]])
    assert RealKernel.of(real, case).halved(first) == pytest.approx(expected, rel=1e-9)
