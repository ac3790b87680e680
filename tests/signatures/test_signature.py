"""The signature: it finds the dimensions that matter, says when it should not be trusted, and predicts."""

from __future__ import annotations

import numpy as np
import pytest

from magsig_tf.errors import DataError, UsageError
from magsig_tf.signatures import fit_signature, fit_signatures
from tests.signatures.made_up_embeddings import made_up_embedding, standardised


@pytest.fixture(scope="module")
def rows():
    return made_up_embedding(cases=60, dimensions=40, informative=4, strength=1.5)


@pytest.fixture(scope="module")
def fitted(rows):
    return fit_signatures(*rows)


def test_it_keeps_the_informative_dimensions_and_few_others(fitted):
    signature = fitted.one_standard_error
    assert {0, 1, 2, 3} <= set(signature.indices)
    assert signature.size <= 12
    assert signature.share == signature.size / 40
    assert not signature.empty
    assert not signature.saturated
    assert not signature.at_sparse_edge
    assert not signature.at_dense_edge
    assert signature.gap <= 1e-6


def test_the_default_is_the_sparser_choice(rows, fitted):
    assert fitted.one_standard_error.size < fitted.minimum.size
    assert fitted.one_standard_error.penalty > fitted.minimum.penalty
    default, minimum = fit_signature(*rows), fit_signature(*rows, choice="minimum")
    assert np.array_equal(default.coefficients, fitted.one_standard_error.coefficients)
    assert np.array_equal(minimum.indices, fitted.minimum.indices)
    assert minimum.choice == "minimum"


def test_it_predicts_with_the_scaling_of_its_training_rows(rows, fitted):
    embedding, label, _ = rows
    signature = fitted.one_standard_error
    place = list(fitted.path.penalties).index(signature.penalty)
    scores = standardised(embedding) @ fitted.path.coefficients[place] + fitted.path.intercepts[place]
    assert np.allclose(signature.predict(embedding), 1 / (1 + np.exp(-scores)))
    fresh, fresh_label, _ = made_up_embedding(cases=60, dimensions=40, informative=4, strength=1.5, seed=1)
    assert ((signature.predict(fresh) > 0.5) == fresh_label).mean() > 0.8
    # the intercept is free: on its training rows the mean probability is the share of malignant ones
    assert signature.predict(embedding).mean() == pytest.approx(label.mean(), abs=1e-9)


def test_units_of_the_embedding_do_not_matter(rows, fitted):
    embedding, label, case = rows
    # powers of two, so that not even rounding differs
    units = 2.0 ** np.random.default_rng(0).integers(-20, 20, size=40)
    other = fit_signature(embedding * units, label, case)
    assert np.array_equal(other.indices, fitted.one_standard_error.indices)
    assert np.allclose(other.coefficients, fitted.one_standard_error.coefficients)


def test_dimensions_may_come_in_any_order(rows, fitted):
    embedding, label, case = rows
    order = np.random.default_rng(0).permutation(40)
    other = fit_signature(embedding[:, order], label, case)
    assert set(order[other.indices]) == set(fitted.one_standard_error.indices)


def test_a_tolerance_ten_times_as_tight_keeps_the_signature(rows, fitted):
    tight = fit_signatures(*rows, tolerance=1e-7)
    for choice in ("one_standard_error", "minimum"):
        assert np.array_equal(getattr(tight, choice).indices, getattr(fitted, choice).indices)


def test_constant_dimensions_are_left_out_and_counted(rows, fitted):
    embedding, label, case = rows
    constant = np.full((len(label), 3), 0.1, np.float32)
    constant[::2, 0] = np.nextafter(np.float32(0.1), np.float32(1))
    other = fit_signature(np.concatenate([constant, embedding], axis=1), label, case)
    assert other.constant_dimensions == 3
    assert other.dimensions == 43
    assert np.array_equal(other.indices - 3, fitted.one_standard_error.indices)


def test_noise_gives_the_empty_signature_on_the_sparse_edge():
    embedding, label, case = made_up_embedding(informative=0, seed=3)
    signature = fit_signature(embedding, label, case)
    assert signature.empty
    assert signature.at_sparse_edge
    assert not signature.at_dense_edge
    assert np.allclose(signature.predict(embedding), label.mean())


def test_classes_far_apart_put_the_minimum_on_the_dense_edge():
    embedding, label, case = made_up_embedding(dimensions=3, informative=3, strength=40.0)
    minimum = fit_signature(embedding, label, case, choice="minimum")
    assert minimum.at_dense_edge
    assert minimum.at_sparse_edge or minimum.at_dense_edge


def test_nearly_all_dimensions_are_a_saturated_signature():
    draw = np.random.default_rng(0)
    embedding = draw.normal(size=(2000, 4))
    label = (embedding.sum(axis=1) + draw.logistic(size=2000) > 0).astype(int)
    signature = fit_signature(np.c_[embedding, np.zeros(2000)], label, np.arange(2000), choice="minimum")
    assert signature.size == 4
    assert signature.saturated


def test_what_does_not_fit_is_refused(rows, fitted):
    with pytest.raises(DataError, match=r"shape \(n, 40\), found \(300, 39\)"):
        fitted.minimum.predict(rows[0][:, 1:])
    with pytest.raises(DataError, match="found NaN"):
        fitted.minimum.predict(np.full((1, 40), np.nan))
    with pytest.raises(UsageError, match="Did you mean 'minimum'"):
        fit_signature(*rows, choice="minimal")
    broken = rows[0].copy()
    broken[5, 5] = np.inf
    with pytest.raises(DataError, match="NaN or infinity in 1 rows of 300"):
        fit_signature(broken, *rows[1:])
