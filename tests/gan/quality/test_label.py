"""The label probe finds samples of the wrong class, and says when it cannot distinguish real classes."""

import numpy as np
import pytest

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import Part, TrainingImages
from magsig_tf.gan.quality.probes import label_probe
from magsig_tf.gan.quality.quality_table import BLIND, PartMeasures
from magsig_tf.seeding import generator_for

CASE = np.arange(120) // 4
LABEL = (CASE % 3 == 0).astype(int)  # 40 images of one class, 80 of the other


def features(label, strength, *names):
    noise = generator_for("label test", *names).normal(size=(len(label), 4))
    return noise + strength * np.eye(4)[np.asarray(label)]


def rows(fit, drawn, label=1):
    names = CASE.astype(str)
    images = np.zeros((120, 2, 2, 3), np.uint8)
    training = TrainingImages(images, LABEL, np.full(120, "40X"), names, names)
    part = Part(label, "", np.arange(3))
    measures = PartMeasures(training, features(LABEL, 0, "not used"), part, drawn, ("test",), replicates=10)
    found = [row for row in measures.of_features(fit) if row["metric"] == "label_agreement"]
    return {row["kind"]: row for row in found}


@pytest.fixture(scope="module")
def probe():
    return label_probe(features(LABEL, 6, "real"), LABEL, CASE, "test")


def test_samples_of_their_class_agree_and_mislabelled_ones_do_not(probe):
    # 30 of 100 samples of the malignant GAN look benign
    mixed = features([1] * 70 + [0] * 30, 6, "samples")
    found = rows(lambda: probe, mixed)
    assert found["synthetic"]["value"] == pytest.approx(0.7, abs=0.02)
    assert found["floor"]["value"] > 0.95
    assert found["synthetic"]["reason"] == ""
    assert (found["floor"]["images_real"], found["floor"]["cases"]) == (40, 10)


def test_the_rarer_class_is_recognised_as_well_as_the_other():
    weak = label_probe(features(LABEL, 1.2, "weak"), LABEL, CASE, "test")
    rare, common = weak.recognised(LABEL == 1), weak.recognised(LABEL == 0)
    assert abs(rare - common) < 0.2
    assert min(rare, common) > 0.6


def test_a_blind_probe_says_so():
    # the features say the opposite of what they say in the other cases: no case is recognised by the others
    blind = label_probe(features(LABEL, 0, "blind"), LABEL, CASE, "test")
    found = rows(lambda: blind, features([1] * 50, 0, "samples"))
    assert (found["synthetic"]["reason"] == BLIND) == (not blind.sees())
    assert found["floor"]["value"] == pytest.approx(blind.recognised(LABEL == 1))
    constant = label_probe(np.zeros((120, 4)), LABEL, CASE, "test")
    assert rows(lambda: constant, np.zeros((50, 4)))["synthetic"]["reason"] == BLIND


def test_one_class_or_few_cases_have_no_number_but_a_reason():
    with pytest.raises(NotDefinedError, match="one label"):
        label_probe(features(np.zeros(120, int), 1, "one"), np.zeros(120, int), CASE, "test")
    with pytest.raises(NotDefinedError, match="fewer than 5 images of malignant"):
        label_probe(features(LABEL, 1, "few"), (np.arange(120) < 4).astype(int), CASE, "test")
    found = rows(lambda: label_probe(features(LABEL, 1, "few"), LABEL, CASE // 10, "test"), features([1], 1, "sample"))
    assert list(found) == ["synthetic"]
    assert np.isnan(found["synthetic"]["value"])
    assert "fewer cases than folds" in found["synthetic"]["reason"]
