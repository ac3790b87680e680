"""The ridge path: scikit-learn's minimum, its own certificate, closed forms, and data that make solvers stumble."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models import ridge_solver
from magsig_tf.linear_models.ridge_path import fit_ridge_path, row_weights
from tests.signatures.made_up_embeddings import made_up_embedding, standardised

STRENGTHS = np.logspace(-5, 1, 7)
"""C of scikit-learn."""


def rows(cases, dimensions, seed=0):
    embedding, label, _ = made_up_embedding(cases=cases, images=3, dimensions=dimensions, informative=3, seed=seed)
    return standardised(embedding), label


def objective(features, labels, weights, coefficients, intercept, penalty):
    scores = features @ coefficients + intercept
    loss = np.average(np.logaddexp(0, scores) - labels * scores, weights=weights)
    return loss + penalty / 2 * coefficients @ coefficients


def gradient(features, labels, weights, coefficients, intercept, penalty):
    """Return the gradient over the coefficients and over the intercept, in the space of the features."""
    probability = 1 / (1 + np.exp(-(features @ coefficients + intercept)))
    residual = weights / weights.sum() * (probability - labels)
    return features.T @ residual + penalty * coefficients, residual.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("cases", "dimensions"), [(40, 20), (20, 58), (15, 150)], ids=["p<n", "p~n", "p>n"])
def test_scikit_learn_finds_the_same_objective_at_every_point(cases, dimensions, weighted):
    features, labels = rows(cases, dimensions)
    weights = np.random.default_rng(1).uniform(0.1, 5, len(labels)) if weighted else np.ones(len(labels))
    penalties = 1 / (len(labels) * STRENGTHS)
    path = fit_ridge_path(features, labels, penalties, weights if weighted else None)
    assert path.converged.all()
    assert np.allclose(path.strengths, STRENGTHS)
    weights = weights / weights.mean()
    logits = path.decision(features)
    for place, penalty in enumerate(penalties):
        regression = LogisticRegression(C=STRENGTHS[place], tol=1e-10, max_iter=100_000)
        regression.fit(features, labels, sample_weight=weights)
        ours, theirs = (
            objective(features, labels, weights, *found, penalty)
            for found in (
                (path.coefficients[place], path.intercepts[place]),
                (regression.coef_[0], regression.intercept_[0]),
            )
        )
        assert ours == pytest.approx(theirs, rel=1e-6)
        assert ours <= theirs * (1 + 1e-9)
        assert path.objectives[place] == pytest.approx(ours, rel=1e-12)
        assert np.allclose(logits[:, place], regression.decision_function(features), atol=1e-3)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), cases=st.integers(4, 30), dimensions=st.integers(1, 120), strength=st.floats(-6, 3))
def test_the_certificate_is_that_of_the_whole_problem(seed, cases, dimensions, strength):
    features, labels = rows(cases, dimensions, seed)
    weights = np.random.default_rng(seed).exponential(size=len(labels))
    penalty = 1 / (len(labels) * 10**strength)
    path = fit_ridge_path(features, labels, [penalty], weights)
    slopes, intercept_slope = gradient(features, labels, weights, path.coefficients[0], path.intercepts[0], penalty)
    norm = np.linalg.norm(slopes)
    assert abs(intercept_slope) < 1e-12
    assert norm == pytest.approx(path.gradient_norms[0], rel=1e-3, abs=1e-12)
    assert norm <= np.sqrt(2 * penalty * 1e-10 * path.objectives[0]) * (1 + 1e-3) + 1e-12
    assert path.converged[0]


def test_one_dimension_of_two_values_has_the_solution_in_closed_form():
    # two groups of 10 with 8 and 3 malignant ones, x = 1 and -1: with fitted shares q and r, q + r = 1.1 makes the
    # residuals' sum 0, and (.8 - q) = penalty * w with w = (logit q - logit r) / 2 the gradient
    features = np.repeat([1.0, -1.0], 10)[:, None]
    labels = np.array([1] * 8 + [0] * 2 + [1] * 3 + [0] * 7)
    high, low = (np.log(share / (1 - share)) for share in (0.7, 0.4))
    weight = (high - low) / 2
    path = fit_ridge_path(features, labels, [0.1 / weight], tolerance=1e-15)
    assert path.coefficients[0, 0] == pytest.approx(weight, rel=1e-7)
    assert path.intercepts[0] == pytest.approx((high + low) / 2, rel=1e-7)


def test_a_weight_of_two_is_the_row_twice_and_one_of_zero_is_no_row():
    features, labels = rows(12, 50)
    counts = np.random.default_rng(0).integers(0, 3, len(labels))
    repeated = np.repeat(np.arange(len(labels)), counts)
    penalties = [1.0, 0.01]
    weighted = fit_ridge_path(features, labels, penalties, counts, tolerance=1e-14)
    by_rows = fit_ridge_path(features[repeated], labels[repeated], penalties, tolerance=1e-14)
    np.testing.assert_allclose(weighted.coefficients, by_rows.coefficients, atol=1e-7)
    np.testing.assert_allclose(weighted.objectives, by_rows.objectives, rtol=1e-12)
    larger = fit_ridge_path(features, labels, penalties, 7.0 * counts, tolerance=1e-14)
    np.testing.assert_allclose(larger.coefficients, weighted.coefficients, atol=1e-7)


@pytest.mark.parametrize("dimensions", [2, 80])
def test_classes_apart_are_fitted_at_any_penalty_even_the_first(dimensions):
    draw = np.random.default_rng(0)
    features = draw.normal(size=(40, dimensions))
    labels = np.arange(40) % 2
    features[:, 0] = np.where(labels == 1, 3.0, -3.0) + draw.uniform(-1, 1, 40)
    alone = fit_ridge_path(features, labels, [1e-9])
    after_others = fit_ridge_path(features, labels, np.logspace(1, -9, 11))
    assert alone.converged.all()
    assert after_others.converged.all()
    assert alone.objectives[0] == pytest.approx(after_others.objectives[-1], rel=1e-9)
    assert np.isfinite(alone.coefficients).all()
    assert (np.sign(alone.decision(features)[:, 0]) == 2 * labels - 1).all()


@pytest.mark.parametrize("cases", [4, 40], ids=["p>n", "p<n"])
def test_constant_dimensions_get_nothing_and_equal_ones_share(cases):
    features, labels = rows(cases, 10)
    features = np.column_stack([features, np.zeros(len(labels)), features[:, 0], features])
    path = fit_ridge_path(features, labels, np.logspace(0, -7, 8))
    assert path.converged.all()
    assert np.abs(path.coefficients[:, 10]).max() < 1e-9
    np.testing.assert_allclose(path.coefficients[:, 0], path.coefficients[:, 11], rtol=1e-3, atol=1e-6)


def test_a_collapsed_embedding_is_solved_down_to_the_last_penalty():
    # 60 dimensions that share 3 directions, and a penalty below what float32 can add to their Hessian
    draw = np.random.default_rng(0)
    factors = draw.normal(size=(400, 3))
    features = standardised(factors @ draw.normal(size=(3, 60)) + 0.003 * draw.normal(size=(400, 60)))
    labels = (factors[:, 0] + draw.logistic(size=400) > 0).astype(int)
    path = fit_ridge_path(features, labels, np.logspace(0, -9, 10))
    assert path.converged.all()
    assert path.steps.max() < 60


def test_both_forms_of_a_wide_problem_have_one_solution(monkeypatch):
    features, labels = rows(15, 100)
    features[1] = features[0]
    penalties = 1 / (len(labels) * STRENGTHS)
    by_rows = fit_ridge_path(features, labels, penalties, tolerance=1e-13)
    monkeypatch.setattr(ridge_solver, "WIDE", np.inf)
    by_dimensions = fit_ridge_path(features, labels, penalties, tolerance=1e-13)
    np.testing.assert_allclose(by_rows.objectives, by_dimensions.objectives, rtol=1e-10)
    np.testing.assert_allclose(by_rows.coefficients, by_dimensions.coefficients, atol=1e-4)


def test_a_search_that_ends_early_says_so(monkeypatch):
    features, labels = rows(15, 20)
    monkeypatch.setattr(ridge_solver, "MOST_STEPS", 1)
    path = fit_ridge_path(features, labels, [1e-4])
    assert path.steps.tolist() == [1]
    assert path.converged.tolist() == [False]
    assert path.gaps[0] > path.tolerance


def test_a_strong_penalty_leaves_the_share_of_the_class():
    features, labels = rows(15, 20)
    path = fit_ridge_path(features, labels, [1e6])
    assert path.intercepts[0] == pytest.approx(np.log(labels.mean() / (1 - labels.mean())), abs=1e-4)
    assert np.abs(path.coefficients).max() < 1e-5


def test_row_weights_by_hand():
    labels = np.array([0, 0, 0, 1])
    case, magnification = np.array(["a", "b", "b", "c"]), np.array(["40X", "40X", "100X", "40X"])
    assert row_weights("none", labels, case, magnification).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(row_weights("case", labels, case, magnification), [4 / 3, 2 / 3, 2 / 3, 4 / 3])
    # cells: benign 40X twice, benign 100X, malignant 40X; malignant 100X has no row
    np.testing.assert_allclose(
        row_weights("class x magnification", labels, case, magnification), [2 / 3, 2 / 3, 4 / 3, 4 / 3]
    )
    with pytest.raises(UsageError, match=r"found 'cases'.*Did you mean 'case'"):
        row_weights("cases", labels, case, magnification)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": np.zeros(45, int)}, r"rows of both classes, found no malignant \(1\) among 45"),
        ({"labels": np.arange(45)}, "labels 0 and 1"),
        ({"labels": np.zeros(3, int)}, r"found shapes \(45, 20\) and \(3,\)"),
        ({"features": np.full((45, 20), np.nan)}, "NaN or infinity in 45 rows"),
        ({"features": np.empty((45, 0))}, "at least one dimension"),
        ({"penalties": [0.1, 0.2]}, "descending"),
        ({"penalties": [np.inf, 0.2]}, "above 0"),
        ({"penalties": [0.0]}, "above 0"),
        ({"penalties": []}, "above 0"),
        ({"weights": np.ones(3)}, "one weight for each row"),
        ({"weights": np.r_[np.ones(43), -1, np.nan]}, "2 of 45 that are negative, NaN or infinite"),
        ({"weights": np.zeros(45)}, r"found none on benign \(0\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changed, message):
    features, labels = rows(15, 20)
    given = {"features": features, "labels": labels, "penalties": [0.1]}
    with pytest.raises(DataError, match=message):
        fit_ridge_path(**(given | changed))


def test_a_tolerance_of_nothing_and_embeddings_of_another_length_are_refused():
    features, labels = rows(15, 20)
    with pytest.raises(UsageError, match="tolerance above 0"):
        fit_ridge_path(features, labels, [0.1], tolerance=0)
    with pytest.raises(DataError, match=r"length 20, found shape \(45, 19\)"):
        fit_ridge_path(features, labels, [0.1]).decision(features[:, 1:])
