"""Precision, recall, density and coverage by hand, against plain loops, and what always holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from magsig_tf.gan.quality.neighbours import Distances, neighbour_scores, squared_radii
from magsig_tf.seeding import generator_for


def looped(real, synthetic):
    def radius(rows, index, k):
        return np.sort([np.linalg.norm(rows[index] - other) for other in rows])[k]

    def inside(rows, index, point, k):
        return np.linalg.norm(rows[index] - point) <= radius(rows, index, k)

    counts = np.array([sum(inside(real, i, y, 5) for y in synthetic) for i in range(len(real))])
    return {
        "precision": np.mean([any(inside(real, i, y, 3) for i in range(len(real))) for y in synthetic]),
        "recall": np.mean([any(inside(synthetic, j, x, 3) for j in range(len(synthetic))) for x in real]),
        "density": counts.sum() / (5 * len(synthetic)),
        "coverage": np.mean(counts > 0),
    }


def scores(real, synthetic):
    return {name: each.mean() for name, each in neighbour_scores(Distances.between(real, synthetic)).items()}


def test_points_on_a_line_by_hand():
    real = np.arange(6.0)[:, None]
    # balls: k = 3 radius 3, 2, 2, 2, 2, 3, so they reach from -3 to 8; k = 5 radius 5, 4, 3, 3, 4, 5
    synthetic = np.array([2.0, 2.0, 2.0, 2.0, 9.0, 9.0])[:, None]
    found = scores(real, synthetic)
    assert found["precision"] == pytest.approx(4 / 6)
    # the four at 2 have radius 0, those at 9 radius 7
    assert found["recall"] == pytest.approx(4 / 6)
    # the four at 2 lie in every ball, those at 9 in that of 5 alone, which reaches to 10
    assert found["density"] == pytest.approx((6 * 4 + 2) / (5 * 6))
    assert found["coverage"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed):
    random = generator_for("neighbours test", seed)
    real, synthetic = random.normal(size=(23, 3)), random.normal(size=(17, 3)) + 0.8
    assert scores(real, synthetic) == pytest.approx(looped(real, synthetic))


def test_many_rows_have_the_distances_of_few():
    # more than are compared at once
    random = generator_for("neighbours test", "many")
    real, synthetic = random.normal(size=(2100, 3)), random.normal(size=(1100, 3)) + 0.8
    found = Distances.between(real, synthetic)
    for distances, one, other in (
        (found.real, real, real),
        (found.cross, real, synthetic),
        (found.synthetic, synthetic, synthetic),
    ):
        np.testing.assert_allclose(distances, cdist(one, other, "sqeuclidean"), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(squared_radii(found.real, 3), np.sort(found.real, axis=1)[:, 3])


def test_samples_that_are_the_real_images_are_precise_and_recall_all():
    real = generator_for("neighbours same").normal(size=(40, 6))
    assert {name: value for name, value in scores(real, real).items() if name != "density"} == {
        "precision": 1,
        "recall": 1,
        "coverage": 1,
    }


def test_dropped_modes_cost_recall_and_coverage_but_not_precision():
    random = generator_for("neighbours modes")
    real = np.concatenate([random.normal(size=(50, 4)), random.normal(size=(50, 4)) + 20])
    found = scores(real, random.normal(size=(100, 4)))
    assert found["precision"] > 0.8
    assert found["recall"] <= 0.5
    assert found["coverage"] <= 0.5
    assert found["density"] > 0.8


points = arrays(np.int8, st.tuples(st.integers(6, 12), st.just(2)), elements=st.integers(-9, 9))


@settings(max_examples=50)
@given(points, points, st.integers(0, 2**31))
def test_shares_stay_shares_and_order_does_not_matter(real, synthetic, seed):
    random = np.random.default_rng(seed)
    found = scores(real, synthetic)
    assert all(0 <= found[name] <= 1 for name in ("precision", "recall", "coverage"))
    assert 0 <= found["density"] <= len(real) / 5 + 1e-9
    assert scores(random.permutation(real), random.permutation(synthetic)) == pytest.approx(found)
    moved = scores(real + np.array([300, -40]), synthetic + np.array([300, -40]))
    assert moved == pytest.approx(found)
