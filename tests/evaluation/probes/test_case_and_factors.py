"""The probes of case and factors recover what is planted in an embedding and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes import factor_probe, identity_probe
from magsig_tf.evaluation.probes.case_and_factors import PENALTIES, _ridge
from tests.evaluation.probes.planted import planted


def test_a_mark_of_the_case_is_found_across_magnifications_and_noise_is_at_chance():
    rows = planted()
    marked = identity_probe(rows.case_effect + 0.1 * rows.noise, rows.magnification, rows.case)
    assert marked.found.mean() > 0.95
    assert marked.chance == pytest.approx(1 / 40)
    nothing = identity_probe(rows.noise, rows.magnification, rows.case)
    assert nothing.found.mean() < 0.07
    # each row looks in the two other magnifications
    assert len(nothing.found) == 2 * len(rows.case)


def test_a_shift_between_magnifications_does_not_hide_the_case():
    rows = planted()
    shift = 50.0 * np.unique(rows.magnification, return_inverse=True)[1]
    assert identity_probe(rows.case_effect + shift[:, None], rows.magnification, rows.case).found.mean() > 0.95


def test_a_digital_zoom_is_never_compared_with_its_own_source():
    # each zoom equals its source, and nothing else ties a case together
    rows = planted(images=2)
    features, picture = rows.noise.copy(), np.arange(len(rows.case)).astype(str)
    sources, zooms = np.flatnonzero(rows.magnification == "100X"), np.flatnonzero(rows.magnification == "400X")
    features[zooms], picture[zooms] = features[sources], picture[sources]
    kept = rows.magnification != "200X"
    naive = identity_probe(features[kept], rows.magnification[kept], rows.case[kept])
    assert naive.found.mean() > 0.95
    fair = identity_probe(features[kept], rows.magnification[kept], rows.case[kept], picture[kept])
    assert fair.found.mean() < 0.1
    assert fair.chance == pytest.approx(1 / 79)


def test_a_hand_worked_search():
    # a and b change places between the magnifications; c, in the middle of both, keeps its own
    embedding = np.array([[1.0, 0], [-1, 0], [0, 3], [1, 0], [-1, 0], [0, 3]])
    magnification, case = np.repeat(["40X", "400X"], 3), np.array(["a", "b", "c", "b", "a", "c"])
    answers = identity_probe(embedding, magnification, case)
    assert dict(zip(answers.case, answers.found, strict=True)) == {"a": 0, "b": 0, "c": 1}
    assert answers.chance == pytest.approx(1 / 3)


def test_rows_that_tie_share_the_hit_and_nothing_learnt_is_exactly_chance():
    rows = planted(cases=5)
    nothing = identity_probe(np.full((len(rows.case), 3), 0.1), rows.magnification, rows.case)
    assert nothing.found == pytest.approx(nothing.chance, abs=1e-12)
    # two cases look the same and a third does not: each of the two finds itself half of the time, in any order of rows
    embedding = np.array([[1.0, 0.3], [1, 0.3], [-1, 2], [1, 0.3], [1, 0.3], [-1, 2]])
    magnification, case = np.repeat(["10x", "20x"], 3), np.array(["p", "q", "r", "p", "q", "r"])
    for order in (np.arange(6), np.arange(6)[::-1]):
        answers = identity_probe(embedding[order], magnification[order], case[order])
        assert dict(zip(answers.case, answers.found, strict=True)) == pytest.approx({"p": 0.5, "q": 0.5, "r": 1})


def test_cases_without_a_partner_are_counted_and_single_ones_refused_in_words():
    rows = planted(cases=6)
    kept = (rows.case != "case-002") | (rows.magnification == "100X")
    answers = identity_probe(rows.noise[kept], rows.magnification[kept], rows.case[kept])
    assert "case-002" not in answers.case
    assert answers.left_out == 8
    one = rows.case == "case-001"
    with pytest.raises(NotDefinedError, match="one case"):
        identity_probe(rows.noise[one], rows.magnification[one], rows.case[one])
    low = rows.magnification == "100X"
    with pytest.raises(NotDefinedError, match="one magnification"):
        identity_probe(rows.noise[low], rows.magnification[low], rows.case[low])


def r2(answers):
    return answers.scores(answers.values.sum(0, keepdims=True))["r2"][0]


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
