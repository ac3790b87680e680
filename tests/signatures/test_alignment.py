"""Linear CKA against hand-worked values and its invariances."""

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.overlap import linear_cka


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
