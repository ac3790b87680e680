"""The factor probe recovers what is planted in an embedding and nothing else."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from magsig_tf.evaluation.probes import factor_probe
from magsig_tf.evaluation.probes.answers import CaseSums, factor_scores, factor_values
from magsig_tf.evaluation.probes.factors import PENALTIES, _ridge
from tests.evaluation.probes.planted import planted


def r2(answers):
    sums = CaseSums(np.unique(answers.case), 4)
    sums.add(answers.case, factor_values(answers))
    return factor_scores(sums.drawn(np.ones((1, len(sums.cases)))))["r2"][0]


def test_planted_factors_are_recovered_and_others_are_not():
    rows = planted()
    place = np.unique(rows.magnification, return_inverse=True)[1].astype(float)
    factors = {"pixel_size": place, "shape": rows.case_effect[:, 3], "constant": np.ones(len(place))}
    with_size = factor_probe(rows.shifted(3.0), factors, rows.case, rows.label)
    assert set(with_size) == {"pixel_size", "shape"}
    assert r2(with_size["pixel_size"]) > 0.8
    assert r2(with_size["shape"]) < 0.05
    with_shape = factor_probe(rows.case_effect + 0.2 * rows.noise, factors, rows.case, rows.label)
    assert r2(with_shape["pixel_size"]) < 0.05
    assert r2(with_shape["shape"]) > 0.8


def test_the_score_is_scikit_learns():
    rows = planted(cases=15)
    answers = factor_probe(rows.shifted(1.0), {"size": rows.shifted(1.0)[:, 0]}, rows.case, rows.label)["size"]
    assert r2(answers) == pytest.approx(r2_score(answers.target, answers.predicted))


@pytest.mark.parametrize("length", [12, 400])
def test_the_regression_is_scikit_learns_with_fewer_and_more_dimensions_than_rows(length):
    generator = np.random.default_rng(0)
    features, other, target = generator.normal(size=(90, length)), generator.normal(size=(7, length)), np.arange(90.0)
    scale = features.std(0)
    for penalty, ours in zip(PENALTIES, _ridge(features, target[:, None], other), strict=True):
        reference = Ridge(penalty * 90).fit(features / scale, target)
        np.testing.assert_allclose(ours[:, 0], reference.predict(other / scale), rtol=1e-5)
