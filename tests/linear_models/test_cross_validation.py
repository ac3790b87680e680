"""Deviances of rows that no fold was fitted to, and the two choices made from them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.sparse_path import CrossValidation, cross_validate
from magsig_tf.statistics.cases import deal_cases
from tests.signatures.made_up_embeddings import made_up_embedding, standardised


def test_a_deviance_is_that_of_rows_the_fold_did_not_see():
    embedding, label, case = made_up_embedding()
    _, path, validation = cross_validate(embedding, label, case, names=("test",))
    held_out = deal_cases(label, case, 5, "signature folds", "test") == 2
    mean, deviation = embedding[~held_out].mean(axis=0), embedding[~held_out].std(axis=0)
    place = 20
    saga = LogisticRegression(
        solver="saga", l1_ratio=1.0, C=1 / ((~held_out).sum() * path.penalties[place]), tol=1e-8, max_iter=50_000
    ).fit((embedding[~held_out] - mean) / deviation, label[~held_out])
    probability = saga.predict_proba((embedding[held_out] - mean) / deviation)[:, 1]
    likelihood = np.where(label[held_out] == 1, probability, 1 - probability)
    assert validation.deviance[2, place] == pytest.approx(-2 * np.log(likelihood).mean(), rel=1e-3)
    assert validation.deviance.shape == (5, 50)


def test_standard_error_and_choices_by_hand():
    deviance = np.array([[1.4, 1.0, 0.9, 1.1], [1.4, 1.2, 1.0, 1.3], [1.4, 1.1, 1.1, 1.5]])
    validation = CrossValidation(np.array([4.0, 3.0, 2.0, 1.0]), deviance)
    assert np.allclose(validation.mean_deviance, [1.4, 1.1, 1.0, 1.3])
    assert np.allclose(validation.standard_error, np.array([0.0, 0.1, 0.1, 0.2]) / np.sqrt(3))
    assert validation.minimum == 2
    # 1.1 is above 1.0 + .1 / sqrt(3)
    assert validation.one_standard_error == 2
    wider = CrossValidation(validation.penalties, deviance + np.array([[0, 0, -0.2, 0], [0, 0, 0, 0], [0, 0, 0.2, 0]]))
    assert wider.one_standard_error == 1


def test_processes_change_no_digit():
    embedding, label, case = made_up_embedding(cases=20)
    _, alone, deviance_alone = cross_validate(embedding, label, case, workers=1)
    _, path, deviance = cross_validate(embedding, label, case, workers=2)
    assert np.array_equal(alone.coefficients, path.coefficients)
    assert np.array_equal(deviance_alone.deviance, deviance.deviance)


def test_a_dimension_that_is_constant_in_a_fold_only_is_no_obstacle():
    embedding, label, case = made_up_embedding()
    embedding[:, 7] = np.where(case == case[0], 1.0, 0.0)
    scaling, path, validation = cross_validate(embedding, label, case)
    assert not scaling.constant.any()
    assert np.isfinite(validation.deviance).all()
    assert path.gaps.max() <= 1e-6


@pytest.mark.parametrize(
    ("label", "case", "folds", "message"),
    [
        ([0, 0, 1, 1], ["a", "b", "c", "d"], 5, r"at least as many cases as folds \(5\), found 4"),
        ([0, 0, 0, 1], ["a", "b", "c", "d"], 2, r"only one malignant case \(d\)"),
        ([0, 1, 1, 0], ["a", "a", "c", "d"], 2, "found both labels in a"),
    ],
)
def test_cases_that_cannot_be_dealt_are_refused(label, case, folds, message):
    embedding = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(DataError, match=message):
        cross_validate(embedding, np.array(label), np.array(case), folds=folds)


def test_an_embedding_that_nothing_can_be_read_from_is_refused():
    _, label, case = made_up_embedding()
    with pytest.raises(DataError, match="2 of 2 dimensions are constant"):
        cross_validate(np.full((len(label), 2), 0.1, np.float32), label, case)
    with pytest.raises(UsageError, match="at least 2 folds"):
        cross_validate(standardised(made_up_embedding()[0]), label, case, folds=1)
