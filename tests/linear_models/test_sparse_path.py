"""The path and its cross-validation: scikit-learn's minimum, its own certificate, deviances of rows not fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.newton_path import best_intercept
from magsig_tf.linear_models.sparse_path import (
    CrossValidation,
    cross_validate,
    fit_sparse_path,
    largest_penalty,
    penalty_path,
    solve_at,
)
from magsig_tf.statistics.cases import deal_cases
from tests.signatures.made_up_embeddings import made_up_embedding, standardised


@pytest.fixture(scope="module")
def rows():
    embedding, label, _ = made_up_embedding()
    return standardised(embedding), label


@pytest.fixture(scope="module")
def many_dimensions():
    embedding, label, _ = made_up_embedding(cases=60, dimensions=400, informative=20)
    return standardised(embedding), label


def objective(features, labels, coefficients, intercept, penalty):
    scores = features @ coefficients + intercept
    return np.mean(np.logaddexp(0, scores) - labels * scores) + penalty * np.abs(coefficients).sum()


def test_the_first_penalty_is_worked_out_by_hand():
    # mean label 1/4; sum of x (y - 1/4) is 3 * 3/4 - (-1 - 1 - 1) / 4 = 3 in the first dimension, -3/2 in the second
    features = np.array([[3.0, -1.5], [-1.0, 0.5], [-1.0, 0.5], [-1.0, 0.5]])
    labels = np.array([1, 0, 0, 0])
    assert largest_penalty(features, labels) == pytest.approx(3 / 4)
    path = fit_sparse_path(features, labels, np.array([0.75, 0.74]))
    assert path.sizes.tolist() == [0, 1]
    assert path.coefficients[1][0] > 0
    assert path.intercepts[0] == pytest.approx(np.log(1 / 3))


def test_one_dimension_of_two_values_has_the_solution_in_closed_form():
    # two groups of 10 with 8 and 3 malignant ones: at the minimum |sum x (y - p)| = n * penalty and sum(y - p) = 0,
    # so that the groups' fitted shares are .8 - penalty and .3 + penalty
    features = np.repeat([1.0, -1.0], 10)[:, None]
    labels = np.array([1] * 8 + [0] * 2 + [1] * 3 + [0] * 7)
    path = fit_sparse_path(features, labels, np.array([0.1]), tolerance=1e-13)
    high, low = (np.log(share / (1 - share)) for share in (0.7, 0.4))
    assert path.coefficients[0, 0] == pytest.approx((high - low) / 2, abs=1e-5)
    assert path.intercepts[0] == pytest.approx((high + low) / 2, abs=1e-5)


def test_the_path_goes_from_the_null_model_to_a_thousandth_of_its_penalty(rows):
    path = fit_sparse_path(*rows)
    assert len(path.penalties) == 50
    assert path.penalties[0] == pytest.approx(largest_penalty(*rows))
    assert path.penalties[-1] == pytest.approx(1e-3 * path.penalties[0])
    assert np.allclose(np.diff(np.log(path.penalties)), np.log(1e-3) / 49)
    assert path.sizes[0] == 0
    assert path.sizes[1] > 0
    assert path.gaps.max() <= 1e-6


def test_saga_finds_the_same_coefficients(rows):
    features, labels = rows
    path = fit_sparse_path(features, labels, penalty_path(largest_penalty(features, labels), 6, 0.02), tolerance=1e-11)
    for place in (1, 3, 5):
        saga = LogisticRegression(
            solver="saga",
            l1_ratio=1.0,
            C=1 / (path.rows * path.penalties[place]),
            tol=1e-10,
            max_iter=100_000,
            random_state=0,
        ).fit(features, labels)
        assert np.allclose(path.coefficients[place], saga.coef_[0], atol=1e-5)
        assert path.intercepts[place] == pytest.approx(saga.intercept_[0], abs=1e-5)
        assert path.sizes[place] == np.count_nonzero(saga.coef_)


def test_liblinear_finds_no_lower_objective(rows):
    # as many rows of each class, mirrored, so that the intercept is 0 and liblinear, which penalises it, is comparable
    features = np.concatenate([rows[0], -rows[0]])
    labels = np.concatenate([rows[1], 1 - rows[1]])
    path = fit_sparse_path(features, labels, penalty_path(largest_penalty(features, labels), 8, 1e-3), tolerance=1e-9)
    assert np.abs(path.intercepts).max() < 1e-8
    for place in range(1, 8):
        liblinear = LogisticRegression(
            solver="liblinear", l1_ratio=1.0, C=1 / (path.rows * path.penalties[place]), tol=1e-8, max_iter=20_000,
            fit_intercept=False, random_state=0,
        ).fit(features, labels)  # fmt: skip
        ours, theirs = (
            objective(features, labels, coefficients, 0.0, path.penalties[place])
            for coefficients in (path.coefficients[place], liblinear.coef_[0])
        )
        assert ours == pytest.approx(theirs, rel=1e-7)
        assert ours <= theirs * (1 + 1e-9)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    cases=st.integers(4, 30),
    dimensions=st.integers(1, 60),
    share=st.floats(0.002, 0.9),
    strength=st.floats(0, 4),
)
def test_every_solution_meets_the_conditions_of_its_minimum(seed, cases, dimensions, share, strength):
    embedding, label, _ = made_up_embedding(
        cases=cases, images=3, dimensions=dimensions, informative=min(3, dimensions), strength=strength, seed=seed
    )
    features = standardised(embedding)
    penalty = share * largest_penalty(features, label)
    path = fit_sparse_path(features, label, np.array([penalty]), tolerance=1e-9)
    assert path.gaps[0] <= 1e-9
    residual = label - 1 / (1 + np.exp(-(features @ path.coefficients[0] + path.intercepts[0])))
    assert abs(residual.mean()) < 1e-9
    pull = features.T @ residual / len(label)
    assert np.abs(pull).max() <= penalty * (1 + 1e-2)
    chosen = path.coefficients[0] != 0
    assert np.allclose(pull[chosen], penalty * np.sign(path.coefficients[0][chosen]), rtol=1e-2)


def test_a_tolerance_ten_times_as_tight_leaves_the_sizes_unchanged(many_dimensions):
    loose, tight = (fit_sparse_path(*many_dimensions, tolerance=tolerance) for tolerance in (1e-6, 1e-7))
    assert tight.gaps.max() <= 1e-7 < loose.gaps.max()
    assert np.abs(loose.sizes - tight.sizes).max() <= 0.01 * tight.sizes.max()
    assert (loose.sizes == tight.sizes).mean() >= 0.9


def test_the_gap_is_what_the_objective_can_still_fall(many_dimensions):
    features, labels = many_dimensions
    rough = fit_sparse_path(features, labels, tolerance=1e-2)
    exact = fit_sparse_path(features, labels, tolerance=1e-9)
    assert rough.gaps.max() > 1e-4
    for place, penalty in enumerate(rough.penalties):
        reached, best = (
            objective(features, labels, path.coefficients[place], path.intercepts[place], penalty)
            for path in (rough, exact)
        )
        assert best * (1 - 1e-12) <= reached
        assert reached - best <= rough.gaps[place] * reached + 1e-9


def test_the_order_of_rows_and_dimensions_does_not_matter(many_dimensions):
    features, labels = many_dimensions
    penalties = penalty_path(largest_penalty(features, labels), 6, 0.03)
    row_order, dimension_order = np.random.default_rng(0).permutation(300), np.random.default_rng(1).permutation(400)
    path = fit_sparse_path(features, labels, penalties, tolerance=1e-10)
    mixed = fit_sparse_path(features[row_order][:, dimension_order], labels[row_order], penalties, tolerance=1e-10)
    assert np.allclose(mixed.coefficients, path.coefficients[:, dimension_order], atol=1e-5)
    assert mixed.sizes.tolist() == path.sizes.tolist()


def test_a_path_is_the_same_each_time(many_dimensions):
    first, second = (fit_sparse_path(*many_dimensions) for _ in range(2))
    assert np.array_equal(first.coefficients, second.coefficients)
    assert np.array_equal(first.intercepts, second.intercepts)


def test_a_single_penalty_without_the_whole_path(many_dimensions):
    path = fit_sparse_path(*many_dimensions, tolerance=1e-9)
    for place in (0, 5, 30, 49):
        single = solve_at(*many_dimensions, path.penalties[place], tolerance=1e-9)
        assert single.gaps[0] <= 1e-9
        assert single.sizes[0] == path.sizes[place]
        assert np.allclose(single.coefficients[0], path.coefficients[place], atol=2e-3)


def test_identical_dimensions_and_separable_classes_are_solved():
    embedding, label, _ = made_up_embedding(cases=20, dimensions=10, strength=30.0)
    features = standardised(np.concatenate([embedding, embedding], axis=1))
    path = fit_sparse_path(features, label)
    assert path.gaps.max() <= 1e-6
    scores = features @ path.coefficients[-1] + path.intercepts[-1]
    assert ((scores > 0) == label).all()


@pytest.mark.parametrize("start", [-30.0, 0.0, 700.0])
def test_the_intercept_balances_the_residuals_from_anywhere(start):
    linear, labels = np.array([-50.0, 0.0, 3.0, 40.0]), np.array([0, 1, 0, 1])
    intercept = best_intercept(linear, labels, start)
    assert np.mean(labels - 1 / (1 + np.exp(-(linear + intercept)))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda features, labels: (np.where(features == features.max(), np.nan, features), labels), "in 1 rows"),
        (lambda features, labels: (features, np.zeros(len(labels))), "no malignant"),
        (lambda features, labels: (features, labels + 1), r"labels 0 and 1"),
        (lambda features, labels: (features[:-1], labels), "one label for each image"),
        (lambda features, labels: (np.zeros_like(features), labels), "not constant"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(rows, spoil, message):
    with pytest.raises(DataError, match=message):
        fit_sparse_path(*spoil(*rows))


def test_penalties_out_of_order_are_refused(rows):
    with pytest.raises(DataError, match="descending"):
        fit_sparse_path(*rows, np.array([0.1, 0.2]))


def test_a_collapsed_embedding_is_solved_down_to_the_last_penalty():
    # 60 dimensions that share 3 directions, as embeddings do whose network unlearned most of what it saw
    draw = np.random.default_rng(0)
    factors = draw.normal(size=(400, 3))
    features = standardised(factors @ draw.normal(size=(3, 60)) + 0.003 * draw.normal(size=(400, 60)))
    labels = (factors[:, 0] + draw.logistic(size=400) > 0).astype(int)
    assert np.linalg.cond(features) ** 2 > 1e5
    path = fit_sparse_path(features, labels)
    assert path.gaps.max() <= 1e-6


def test_a_deviance_is_that_of_rows_the_fold_did_not_see():
    embedding, label, case = made_up_embedding()
    _, path, validation = cross_validate(embedding, label, case, names=("test",))
    held_out = deal_cases(label, case, 5, "signature folds", "test") == 2
    mean, deviation = embedding[~held_out].mean(axis=0), embedding[~held_out].std(axis=0)
    place = 20
    saga = LogisticRegression(
        solver="saga",
        l1_ratio=1.0,
        C=1 / ((~held_out).sum() * path.penalties[place]),
        tol=1e-8,
        max_iter=50_000,
        random_state=0,
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
