"""The magnification probe on samples finds a planted shift, and says when it cannot see."""

import numpy as np
import pytest

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.quality.probes import magnification_probe, mix_distance
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import bootstrap_draws, halves

CASE = np.arange(120) // 4
MAGNIFICATION = np.array(["40X", "100X", "200X"])[np.arange(120) % 3]


def features(magnification, strength, *names):
    noise = generator_for("magnification test", *names).normal(size=(len(magnification), 5))
    place = np.array([["40X", "100X", "200X"].index(name) for name in magnification])
    return noise + strength * np.eye(5)[place]


@pytest.fixture(scope="module")
def probe():
    return magnification_probe(features(MAGNIFICATION, 6, "real"), MAGNIFICATION, CASE, "test")


def test_real_images_are_recognised_by_classifiers_that_did_not_see_their_case(probe):
    accuracy, low, high = probe.balanced_accuracy(bootstrap_draws(30, 200, "test"))
    assert low <= accuracy <= high
    assert accuracy > 0.95


def test_a_mix_that_leans_to_one_magnification_is_seen(probe):
    everything = np.ones(120, bool)
    same = probe.sample_mix(features(MAGNIFICATION, 6, "samples"))
    leaning = np.array(["40X"] * 100 + ["100X"] * 20)
    shifted = probe.sample_mix(features(leaning, 6, "leaning"))
    floor = probe.halved(everything, halves(30, 10, "test"))
    assert mix_distance(same, probe.mix(everything)) < 0.05
    assert mix_distance(shifted, probe.mix(everything)) == pytest.approx(0.5, abs=0.05)
    assert floor < 0.1


def test_nothing_to_see_is_chance():
    blind = magnification_probe(features(MAGNIFICATION, 0, "blind"), MAGNIFICATION, CASE, "test")
    _, low, high = blind.balanced_accuracy(bootstrap_draws(30, 200, "test"))
    assert low < 1 / 3 < high


def test_mix_distance_by_hand():
    assert mix_distance(np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.3, 0.5])) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("magnification", "case", "words"),
    [
        (["40X"] * 120, CASE, "one magnification"),
        (MAGNIFICATION, CASE // 10, "fewer cases than folds"),
        (["200X"] + ["40X", "100X"] * 59 + ["40X"], CASE, "fewer than 5 images of 200X"),
        (["200X"] * 24 + ["40X", "100X"] * 48, np.arange(120) // 24, "one fold only"),
    ],
)
def test_what_cannot_be_told_says_why(magnification, case, words):
    with pytest.raises(NotDefinedError, match=words):
        magnification_probe(features(MAGNIFICATION, 1, "x"), np.array(magnification), case, "test")
