"""The certificate: scikit-learn's least cross-entropy, the entropy after erasure, and what new rows still tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from magsig_tf.errors import DataError
from magsig_tf.linear_models.erasure import SHRINKAGES, Eraser, fit_eraser, measure_covariances
from magsig_tf.linear_models.erasure_certificate import certify
from magsig_tf.seeding import generator_for
from tests.linear_models.made_up_domains import planted


def nothing_erased(length, by_class=False):
    nothing = np.zeros((length, 0))
    return Eraser(np.zeros(length), nothing, nothing, 0.0, by_class, 0.0, 0)


def scikit_learns(features, domains, weights=None):
    regression = LogisticRegression(C=np.inf, tol=1e-12, max_iter=20_000, solver="newton-cg")
    regression.fit(features, domains, sample_weight=weights)
    return log_loss(domains, regression.predict_proba(features), sample_weight=weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_least_cross_entropy_is_scikit_learns(weighted):
    embeddings, domains, _ = planted(400, 5)
    embeddings = 0.4 * embeddings + generator_for("noise").normal(size=embeddings.shape)
    weights = generator_for("weights").uniform(0.1, 3, 400) if weighted else None
    found = certify(nothing_erased(5), embeddings, domains, weights=weights)
    assert found.cross_entropy == pytest.approx(scikit_learns(embeddings, domains, weights), abs=1e-6)
    assert found.cross_entropy < found.entropy - 0.1
    assert not found.holds
    # neither units nor dependent dimensions matter
    wider = np.hstack([embeddings * 10.0 ** np.arange(-2, 3), embeddings @ np.ones((5, 2)), np.ones((400, 1))])
    same = certify(nothing_erased(8), wider, domains, weights=weights)
    assert same.cross_entropy == pytest.approx(found.cross_entropy, abs=1e-6)
    assert same.rank == found.rank == 5


def test_within_classes_the_regression_is_told_the_class():
    embeddings, domains, label = planted(400, 4, confounding=0.5)
    embeddings = 0.4 * embeddings + generator_for("noise").normal(size=embeddings.shape)
    found = certify(nothing_erased(4, by_class=True), embeddings, domains, labels=label)
    weights = 1 / np.bincount(label)[label]
    told = np.column_stack([embeddings, label])
    assert found.cross_entropy == pytest.approx(scikit_learns(told, domains, weights), abs=1e-6)
    shares = np.array([[np.mean(domains[label == c] == d) for d in np.unique(domains)] for c in (0, 1)])
    assert found.entropy == pytest.approx(-(shares * np.log(shares)).sum() / 2)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("shape", [(300, 20), (40, 90), (40, 39)])
def test_it_holds_on_the_rows_of_the_fit_at_any_strength(shape, by_class):
    embeddings, domains, label = planted(*shape, confounding=0.3)
    covariances = measure_covariances(embeddings.astype(np.float32), domains, labels=label, by_class=by_class)
    for shrinkage in SHRINKAGES:
        eraser = covariances.eraser(shrinkage)
        found = certify(eraser, embeddings.astype(np.float32), domains, labels=label)
        assert found.holds
        assert found.relative_cross_covariance < 1e-9
        assert found.cross_entropy == pytest.approx(found.entropy, abs=1e-8)
        assert found.removed_share == pytest.approx(eraser.removed_share)
        assert found.saturated == (shape[1] >= 39)


def test_a_class_that_lacks_a_magnification_is_certified_as_well():
    embeddings, domains, label = planted(300, 6)
    kept = (label == 0) | (domains != "400X")
    embeddings, domains, label = embeddings[kept], domains[kept], label[kept]
    eraser = fit_eraser(embeddings, domains, labels=label, by_class=True)
    found = certify(eraser, embeddings, domains, labels=label)
    assert found.holds
    assert found.entropy == pytest.approx((np.log(3) + np.log(2)) / 2, abs=0.02)
    assert certify(nothing_erased(6, True), embeddings, domains, labels=label).cross_entropy < found.entropy - 0.3


def test_magnifications_that_separate_have_a_cross_entropy_of_zero():
    embeddings, domains, _ = planted(30, 50)
    found = certify(nothing_erased(50), embeddings, domains)
    assert 0 <= found.cross_entropy < 1e-5
    assert found.saturated


def test_new_rows_still_tell_what_few_rows_could_not_show():
    few, their_domains, _ = planted(40, 12)
    embeddings, domains, _ = planted(2000, 12, name="new")
    found = certify(fit_eraser(few, their_domains), embeddings, domains)
    better = certify(fit_eraser(*planted(4000, 12)[:2]), embeddings, domains)
    assert not found.holds
    assert 0.01 < found.relative_cross_covariance < 1
    assert better.relative_cross_covariance < found.relative_cross_covariance
    assert found.cross_entropy < better.cross_entropy < better.entropy
    assert found.before == better.before <= 1


def test_an_eraser_by_class_needs_the_labels_of_the_rows():
    embeddings, domains, label = planted(60, 3)
    eraser = fit_eraser(embeddings, domains, labels=label, by_class=True)
    with pytest.raises(DataError, match="label for each of 60 rows"):
        certify(eraser, embeddings, domains)


def test_rows_of_one_magnification_are_refused():
    embeddings, domains, _ = planted(60, 3)
    with pytest.raises(DataError, match="two magnifications or more"):
        certify(fit_eraser(embeddings, domains), embeddings, np.full(60, "100X"))
