"""Images become cases, and thresholds are chosen, as a hand calculation does it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.statistics.metrics import balanced_accuracy
from magsig_tf.statistics.replicates import Replicates, case_units, choose_threshold, image_units


def test_a_case_is_the_mean_over_its_images():
    cases = case_units(image_units([1, 0, 1], [1, 0, 1], [0.2, 0.3, 0.9]))
    assert cases.case.tolist() == [0, 1]
    assert cases.label.tolist() == [0, 1]
    assert cases.probability.tolist() == pytest.approx([0.3, 0.55])


def test_patient_recognition_rate_weighs_cases_not_images():
    # four images of a malignant case, one of them missed, and one of a benign case, called malignant
    cases = case_units(image_units([0] * 4 + [1], [1] * 4 + [0], [0.9, 0.9, 0.9, 0.1, 0.9]))
    rate = METRICS["patient_recognition_rate"].values(Replicates(cases, np.ones((1, 2))))
    assert rate == pytest.approx((3 / 4 + 0) / 2)


def test_case_units_keep_the_share_of_correct_images_beside_the_decision_on_the_mean():
    cases = case_units(image_units([0, 0, 0], [1, 1, 1], [0.1, 0.2, 0.99], threshold=0.5), threshold=0.4)
    assert cases.correct.tolist() == pytest.approx([1 / 3])
    assert cases.predicted.tolist() == [1]  # the mean .43 is above .4


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=30))
def test_no_threshold_beats_the_chosen_one(pairs):
    label, probability = np.array(pairs)[:, 0], np.array(pairs)[:, 1] / 10
    if label.min() == label.max():
        return
    chosen = balanced_accuracy(label, probability >= choose_threshold(label, probability))
    for other in np.linspace(0, 1, 21):
        assert chosen >= balanced_accuracy(label, probability >= other) - 1e-12


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.5, 0.7, 0.9]) == pytest.approx(0.3)
