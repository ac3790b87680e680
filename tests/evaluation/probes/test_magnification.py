"""The magnification probe finds what is planted, is at chance where nothing is, and says why where it cannot tell."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes import magnification_probe, shuffled_magnifications
from magsig_tf.evaluation.probes.magnification import case_folds
from magsig_tf.linear_models.probe_classifiers import linear_probabilities, neighbour_probabilities, standardised
from tests.evaluation.probes.planted import MAGNIFICATIONS, planted


def scores(answers):
    found = answers.scores(answers.values(MAGNIFICATIONS).sum(0, keepdims=True))
    return {name: values[0] for name, values in found.items()}


@pytest.mark.parametrize("kind", ["linear", "neighbours"])
def test_what_is_planted_is_found_and_what_is_not_is_at_chance(kind):
    rows = planted()
    found = scores(magnification_probe(rows.shifted(5.0), rows.magnification, rows.case, rows.label, kind))
    assert found["balanced_accuracy"] > 0.9
    assert 0.7 < found["mutual_information"] <= np.log(3)
    assert found["chance"] == pytest.approx(1 / 3)
    nothing = scores(magnification_probe(rows.noise, rows.magnification, rows.case, rows.label, kind))
    assert nothing["balanced_accuracy"] == pytest.approx(1 / 3, abs=0.08)
    assert nothing["mutual_information"] < 0.01


def test_shuffled_magnifications_are_at_chance_and_keep_the_counts_of_each_case():
    rows = planted()
    shuffled = shuffled_magnifications(rows.magnification, rows.case)
    for name in ("case-000", "case-021"):
        mine = rows.case == name
        assert sorted(shuffled[mine]) == sorted(rows.magnification[mine])
    assert (shuffled != rows.magnification).mean() > 0.5
    found = scores(magnification_probe(rows.shifted(5.0), shuffled, rows.case, rows.label))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3, abs=0.08)


def test_a_ring_is_hidden_from_the_linear_probe_and_seen_by_neighbours():
    rows = planted()
    place = np.unique(rows.magnification, return_inverse=True)[1]
    features = rows.noise[:, :2]
    features *= (1 + 3 * place[:, None]) / np.linalg.norm(features, axis=1, keepdims=True)
    linear = scores(magnification_probe(features, rows.magnification, rows.case, rows.label, "linear"))
    near = scores(magnification_probe(features, rows.magnification, rows.case, rows.label, "neighbours"))
    assert linear["mutual_information"] < 0.05
    assert near["balanced_accuracy"] > 0.95


def test_cases_stay_together_and_labels_are_spread_over_folds():
    rows = planted()
    fold = case_folds(rows.case, rows.label)
    assert all(len(np.unique(fold[rows.case == name])) == 1 for name in np.unique(rows.case))
    for number in range(5):
        labels = rows.label[fold == number]
        assert labels.mean() == pytest.approx(0.5)


def test_a_case_effect_cannot_leak_through_the_folds():
    # every case has one magnification of its own: only a split by image would find it through the case
    rows = planted(cases=60, images=2)
    place = np.array([int(name[-3:]) % 3 for name in rows.case])
    magnification = np.array(MAGNIFICATIONS)[place]
    found = scores(magnification_probe(rows.case_effect, magnification, rows.case, rows.label, "neighbours"))
    assert found["balanced_accuracy"] < 0.55


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: (r.magnification == "100X", r), "one magnification"),
        (lambda r: (np.isin(r.case, ["case-000", "case-001", "case-002"]), r), r"fewer cases than folds \(3 of 5\)"),
        (lambda r: ((r.magnification != "400X") | (r.case == "case-003"), r), "400X in the cases of one fold only"),
    ],
)
def test_what_cannot_be_told_is_said_in_words(change, reason):
    kept, rows = change(planted())
    with pytest.raises(NotDefinedError, match=reason):
        magnification_probe(rows.noise[kept], rows.magnification[kept], rows.case[kept], rows.label[kept])


def test_a_constant_dimension_changes_nothing():
    rows = planted(cases=10)
    wider = np.column_stack([rows.noise, np.full(len(rows.case), 1 / 3, np.float32)])
    arguments = (rows.magnification, rows.case, rows.label)
    with_it, without = magnification_probe(wider, *arguments), magnification_probe(rows.noise, *arguments)
    np.testing.assert_allclose(with_it.loss, without.loss, atol=1e-4)
    assert np.all(standardised(wider, wider)[0][:, -1] == 0)


def test_the_linear_probe_minimises_what_scikit_learn_minimises():
    rows = planted(cases=12)
    features, _ = standardised(rows.shifted(1.0), rows.noise)
    target = np.unique(rows.magnification, return_inverse=True)[1]
    ours = linear_probabilities(features, target, features, 3, [1.0, 0.05])[1]
    reference = LogisticRegression(C=1 / (0.05 * len(target)), tol=1e-8, max_iter=2000).fit(features, target)
    np.testing.assert_allclose(ours, reference.predict_proba(features), atol=1e-3)


def test_neighbours_vote_as_in_scikit_learn_apart_from_the_pseudo_rows():
    rows = planted(cases=12)
    target = np.unique(rows.magnification, return_inverse=True)[1]
    train, other = rows.noise[::2], rows.noise[1::2]
    reference = KNeighborsClassifier(7).fit(train, target[::2]).predict_proba(other)
    prior = np.bincount(target[::2]) / len(train)
    ours = neighbour_probabilities(train, target[::2], other, 3, [3, 7])[1]
    np.testing.assert_allclose(ours, (7 * reference + 3 * prior) / 10)
