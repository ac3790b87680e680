"""Each check of exact methods finds the fault that it is for."""

import numpy as np
import pytest

from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.methods.exact import ExactMethod, ExactModel
from magsig_tf.testing import EXACT_CHECKS, ExactTrial, check_exact_method, exact_checks


class Faultless(ExactMethod):
    """The difference of the class means, as weights."""

    def fit(self, train, validation):
        scaling = fit_scaling(train.embeddings)
        features = scaling.apply(train.embeddings)
        weights = features[train.labels == 1].mean(0) - features[train.labels == 0].mean(0)
        return ExactModel(scaling=scaling, weights=weights, intercept=0.0, validation_loss=0.5)


class KnowsNothing(Faultless):
    def fit(self, train, validation):
        model = super().fit(train, validation)
        return ExactModel(model.scaling, np.zeros_like(model.weights), 0.0, 0.7)


class Draws(Faultless):
    def fit(self, train, validation):
        model = super().fit(train, validation)
        noise = np.random.default_rng().normal(size=len(model.weights))
        return ExactModel(model.scaling, model.weights + noise, 0.0, 0.5)


class Remembers(Faultless):
    """Has the data set in view beside its rows."""

    seen: list = []  # noqa: RUF012

    def fit(self, train, validation):
        model = super().fit(train, validation)
        self.seen.append(1)
        return ExactModel(model.scaling, model.weights * len(self.seen), 0.0, 0.5)


class _Shifted(ExactModel):
    def logits(self, embedded):
        return super().logits(embedded) + 5.0


class SavesAnother(Faultless):
    def fit(self, train, validation):
        model = super().fit(train, validation)
        return _Shifted(model.scaling, model.weights, 0.0, 0.5)


def test_a_method_without_faults_passes():
    check_exact_method(Faultless)


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (KnowsNothing, "tells_classes_apart"),
        (Draws, "repeats_itself"),
        (Remembers, "looks_at_no_tested_case"),
        (SavesAnother, "saves_what_it_answers"),
    ],
)
def test_a_fault_is_found_by_its_check(tmp_path, method, check):
    with pytest.raises(AssertionError):
        getattr(exact_checks, check)(ExactTrial(method, tmp_path))


def test_each_check_has_a_fault():
    (mark,) = test_a_fault_is_found_by_its_check.pytestmark
    assert {check for _, check in mark.args[1]} == {check.__name__ for check in EXACT_CHECKS}


def test_the_message_names_method_and_check():
    with pytest.raises(AssertionError, match="KnowsNothing, tells_classes_apart: expected an AUC"):
        check_exact_method(KnowsNothing)
