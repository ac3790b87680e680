"""Metrics agree with scikit-learn and with hand-worked cases, and say NaN where nothing is defined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from magsig_tf.errors import DataError
from magsig_tf.statistics import metrics
from magsig_tf.statistics.replicates import image_units


def sample(seed, n=300, decimals=2):
    """Labels and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    return label, np.clip(np.round(rng.beta(2, 2, n) * 0.7 + 0.3 * label, decimals), 0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed):
    label, probability = sample(seed)
    predicted = probability >= 0.5
    expected = {
        metrics.auc: reference.roc_auc_score(label, probability),
        metrics.brier_score: reference.brier_score_loss(label, probability),
        metrics.log_loss: reference.log_loss(label, probability),
    }
    for function, value in expected.items():
        assert function(label, probability) == pytest.approx(value, abs=1e-12)
    decided = {
        metrics.accuracy: reference.accuracy_score(label, predicted),
        metrics.balanced_accuracy: reference.balanced_accuracy_score(label, predicted),
        metrics.f1: reference.f1_score(label, predicted),
        metrics.sensitivity: reference.recall_score(label, predicted),
        metrics.specificity: reference.recall_score(label, predicted, pos_label=0),
    }
    for function, value in decided.items():
        assert function(label, predicted) == pytest.approx(value, abs=1e-12)


def test_log_loss_of_certain_and_wrong_predictions_is_finite_as_in_scikit_learn():
    label, probability = [0, 1, 1], [1.0, 0.0, 1.0]
    assert metrics.log_loss(label, probability) == pytest.approx(reference.log_loss(label, probability), rel=1e-12)


def test_auc_counts_a_tie_as_one_half():
    # pairs (benign, malignant): .2<.5 wins, .2<.2 ties, .4<.5 wins, .4<.2 loses: 2.5 of 4
    assert metrics.auc([0, 0, 1, 1], [0.2, 0.4, 0.5, 0.2]) == 0.625


@pytest.mark.parametrize("label", [[0, 0], [1, 1]])
def test_one_class_is_nan_not_a_number_that_looks_real(label):
    assert np.isnan(metrics.auc(label, [0.3, 0.6]))
    assert np.isnan(metrics.balanced_accuracy(label, [0, 1]))
    assert np.isnan(metrics.sensitivity(label, [0, 1])) == (label == [0, 0])
    assert np.isnan(metrics.specificity(label, [0, 1])) == (label == [1, 1])


def test_f1_without_anything_malignant_is_nan_and_with_all_missed_is_zero():
    assert np.isnan(metrics.f1([0, 0], [0, 0]))
    assert metrics.f1([0, 1], [0, 0]) == 0


scored = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=60)


@settings(deadline=None)
@given(scored, st.randoms(use_true_random=False))
def test_auc_keeps_under_monotone_transforms_and_permutations(pairs, random):
    label, score = np.array(pairs).T
    expected = metrics.auc(label, score / 20)
    assert metrics.auc(label, np.exp(score)) == pytest.approx(expected, nan_ok=True, abs=1e-14)
    assert metrics.auc(1 - label, -score) == pytest.approx(expected, nan_ok=True, abs=1e-14)
    order = list(range(len(label)))
    random.shuffle(order)
    assert metrics.auc(label[order], score[order]) == pytest.approx(expected, nan_ok=True, abs=1e-14)


OF_PROBABILITIES = [metrics.brier_score, metrics.log_loss, lambda label, p: metrics.equal_width_bins(p)]
OF_PROBABILITIES += [lambda label, p: metrics.equal_mass_bins(p), lambda label, p: image_units([0] * len(p), label, p)]


@pytest.mark.parametrize("function", [metrics.auc, *OF_PROBABILITIES])
def test_a_probability_that_is_no_number_is_refused_and_counted(function):
    with pytest.raises(DataError, match=r"in 2 of 4|found 2 others of 4, first nan"):
        function([0, 1, 0, 1], [0.2, np.nan, np.nan, 0.7])


@pytest.mark.parametrize("function", OF_PROBABILITIES)
@pytest.mark.parametrize("wrong", [np.inf, -np.inf, 1.5, -1e-9])
def test_a_probability_outside_its_range_is_refused(function, wrong):
    with pytest.raises(DataError, match="Expected probabilities from 0 to 1, found 1 others of 2"):
        function([0, 1], [wrong, 0.5])


@pytest.mark.parametrize("function", [metrics.auc, metrics.brier_score, metrics.f1, metrics.sensitivity])
@pytest.mark.parametrize("label", [[0, np.nan], [0, 2], [-1, 1]])
def test_a_label_that_is_none_is_refused(function, label):
    with pytest.raises(DataError, match="Expected 0 or 1 for each prediction, found 1 others of 2"):
        function(label, [0, 1])


def test_a_decision_that_is_no_number_is_not_malignant():
    with pytest.raises(DataError, match="Expected 0 or 1"):
        metrics.accuracy([0, 1], [np.nan, 1])


def test_scores_without_bounds_have_an_auc():
    assert metrics.auc([0, 0, 1, 1], [-np.inf, 3.0, 7.0, np.inf]) == 1
