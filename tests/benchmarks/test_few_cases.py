"""With few cases intervals hold the truth often enough, by simulation with fixed seeds."""

import numpy as np
import pytest

from benchmarks import clustered_answers, few_cases
from benchmarks.clustered_answers import Study
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.statistics.replicates import LEVELS, Replicates, case_units


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustered_answers, "CASES_OF_TRUTH", 20_000)
        study = Study((6, 6), 0.85, sizes="equal")
        return few_cases.coverage(study, 80, 99, others=True).set_index(["level", "number", "kind"])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", ["auc", "auc difference", "brier", "brier difference", "auc of holdouts"])
def test_from_6_cases_a_class_at_least_9_of_10_are_held(found, level, number):
    ours = found.loc[(level, number, "student")]
    assert ours["covered"] >= 0.9
    assert ours["covered"] > found.loc[(level, number, "percentile"), "covered"]


def test_at_case_level_an_auc_of_1_has_an_interval_and_differences_of_two_have_none(found):
    assert found.loc[("case", "auc", "student"), "absent"] == 0
    assert found.loc[("case", "auc difference", "student"), "absent"] > 0.05
    assert found.loc[("case", "auc", "percentile"), "covered"] < 0.8


def test_the_calibration_error_is_nearly_unbiased_at_image_level(found):
    assert abs(found.loc[("image", "ece", "student"), "bias"]) < 0.025
    assert found.loc[("image", "ece", "student"), "covered"] >= 0.9


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["auc", "brier", "f1", "ece"])
def test_its_values_are_those_of_the_tables(level, name):
    answers = Study((5, 7), 0.8, sizes="very unequal").draw(np.random.default_rng(2))
    strata = np.repeat([0, 1], (5, 7))
    weights = np.concatenate([np.ones((1, 12)), np.random.default_rng(3).integers(1, 4, (6, 12))]).astype(float)
    values = few_cases._values(name, [answers], level, strata, weights)
    for model, units in enumerate(answers):
        scored = Replicates(units if level == "image" else case_units(units), weights)
        np.testing.assert_allclose(values[model, 0], METRICS[name].values(scored), atol=1e-12)
