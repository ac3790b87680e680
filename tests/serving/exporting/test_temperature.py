"""Temperature scaling finds what was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from magsig_tf.errors import DataError
from magsig_tf.seeding import generator_for
from magsig_tf.serving.exporting.export import fit_temperature


def validation(temperature: float, images: int = 40_000) -> pd.DataFrame:
    """Return logits whose true probabilities are those at a temperature."""
    random = generator_for("temperature", temperature)
    logit = random.normal(0, 3 * temperature, images)
    label = (random.random(images) < expit(logit / temperature)).astype(int)
    return pd.DataFrame(
        {"logit": logit, "label": label, "magnification": np.where(np.arange(images) % 3, "40X", "100X")}
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(temperature):
    found = fit_temperature(validation(temperature))
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.log_loss_after <= found.log_loss_before
    assert not found.at_edge


def test_the_log_loss_is_that_of_the_mean_over_magnifications():
    frame = pd.DataFrame({"logit": [0.0, 0.0, 2.0], "label": [0, 1, 1], "magnification": ["40X", "40X", "100X"]})
    wanted = (np.log(2) + np.log1p(np.exp(-2.0))) / 2
    assert fit_temperature(frame).log_loss_before == pytest.approx(wanted)


def test_perfect_logits_end_at_the_edge_and_say_so():
    frame = pd.DataFrame({"logit": [-1.0, 1.0], "label": [0, 1], "magnification": ["40X", "40X"]})
    found = fit_temperature(frame)
    assert found.at_edge
    assert found.value == pytest.approx(0.05, rel=0.01)


def test_one_class_allows_no_temperature():
    frame = pd.DataFrame({"logit": [1.0, 2.0], "label": [1, 1], "magnification": ["40X", "40X"]})
    with pytest.raises(DataError, match="validation images of both classes"):
        fit_temperature(frame)
