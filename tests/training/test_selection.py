"""Which epoch is chosen."""

import numpy as np
import pytest

from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.training.selection import selection_rule


def test_cross_entropy_is_averaged_over_magnifications_not_images():
    labels, logits = np.array([1, 1, 1, 0]), np.array([0.0, 0.0, 0.0, 2.0])
    magnifications = np.array(["40X", "40X", "40X", "100X"])
    expected = (np.log(2) + np.log(1 + np.exp(2))) / 2
    assert mean_cross_entropy(labels, logits, magnifications) == pytest.approx(expected)


def test_selection_begins_late_and_ties_go_to_the_earliest():
    rule = selection_rule("source", 0.3)
    assert not rule.prefers(0.1, 0.29, None)
    assert rule.prefers(0.5, 0.3, None)
    assert not rule.prefers(0.5, 0.6, 0.5)
    assert rule.prefers(0.49, 0.6, 0.5)
    assert not rule.prefers(float("nan"), 0.6, None)
    assert selection_rule("oracle", 0.3).part == "validation_holdout"
