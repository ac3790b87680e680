"""What few cases add to a calibration error is taken off: closed forms, and made-up answers whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.clustered_answers import Study
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.statistics.calibration import corrected_error, measured_error
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.replicates import Replicates

BINS = 15


def with_noise(gaps, spread, count=4000):
    """Gaps with replicates around them whose spread is the same in every bin."""
    noise = np.random.default_rng(0).normal(size=(count, len(gaps)))
    noise = spread * (noise - noise.mean(0)) / noise.std(0, ddof=1)
    return np.concatenate([[gaps], gaps + noise])


def test_without_noise_nothing_is_taken_off():
    gaps = np.linspace(-0.02, 0.03, BINS)
    assert corrected_error(np.tile(gaps, (5, 1)), 1.0) == pytest.approx([np.abs(gaps).sum()] * 5)


def test_one_gap_is_shrunk_until_its_expected_size_is_the_one_measured():
    (found, *_) = corrected_error(with_noise(np.array([0.1]), 0.08), 1.0)
    # the mean size of a normal number is scipy's
    assert stats.foldnorm(found / 0.08, scale=0.08).mean() == pytest.approx(0.1, abs=1e-4)
    assert measured_error(np.array([0.1, -0.2])) == pytest.approx(0.3)


def test_what_noise_alone_explains_is_0_and_more_noise_takes_off_more():
    gaps = np.full(BINS, 0.004)
    errors = [corrected_error(with_noise(gaps, spread), 1.0)[0] for spread in (0.001, 0.003, 0.006)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0
    assert errors[0] == pytest.approx(0.06, rel=0.05)
    assert corrected_error(with_noise(gaps, 0.003), 1.3)[0] < errors[1]


def test_undefined_replicates_stay_undefined_and_disturb_nothing():
    gaps = with_noise(np.full(BINS, 0.004), 0.003)
    without = corrected_error(gaps, 1.0)
    again = corrected_error(np.concatenate([gaps, np.full((1, BINS), np.nan)]), 1.0)
    np.testing.assert_allclose(again[:-1], without)
    assert np.isnan(again[-1])


def test_it_is_nearer_the_truth_of_many_cases_than_what_is_measured():
    study = Study((10, 10), 0.85, sizes="equal")
    drawn = case_multiplicities(np.repeat([0, 1], study.cases), 150, "calibration bias")
    found = []
    for number in range(40):
        scored = Replicates(study.draw(np.random.default_rng(number))[0], drawn)
        found.append([METRICS[name].values(scored)[0] for name in ("ece", "ece_raw")])
    corrected, measured = np.mean(found, axis=0) - study.truth()["ece"]
    assert measured > 0.04
    assert abs(corrected) < measured / 3
