"""Gradient reversal inside a training step: what it hands the encoder, and how its schedule and its head move."""

import numpy as np
import pytest

from magsig_tf.config_files import build_config
from magsig_tf.testing import MethodTrial


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return MethodTrial("grl", tmp_path_factory.mktemp("grl"), augment=[], dropout=0.0)


def gradient_of_encoder(parts, batch, strength):
    """Return the encoder's gradient from the domain loss alone, at a reversal strength."""
    import tensorflow as tf

    from magsig_tf.methods.contract import StepTensors

    parts.method.state["lambda"].assign(strength)
    with tf.GradientTape() as tape:
        outputs = parts.classifier(batch.images.astype(np.float32), training=False)
        tensors = StepTensors(
            tf.constant(batch.labels),
            tf.constant(batch.domains),
            outputs["embedding"],
            outputs["logit"],
            tf.constant(0.5),
            parts.global_batch,
        )
        _, logs = parts.method.loss(tensors)
    encoder = parts.classifier.get_layer("encoder")
    return tape.gradient(logs["domain_loss"], encoder.trainable_variables)


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_grl_hands_the_encoder_exactly_minus_lambda_times_the_gradient(trial, strength):
    parts, _ = trial.trained(4)
    batch = next(trial.batches(parts))
    # strength -1 reverses the reversal: the gradient without it
    plain = gradient_of_encoder(parts, batch, -1.0)
    reversed_ = gradient_of_encoder(parts, batch, strength)
    assert max(float(np.abs(g).max()) for g in plain) > 1e-5
    for without, with_ in zip(plain, reversed_, strict=True):
        np.testing.assert_allclose(with_, -strength * without.numpy(), rtol=1e-4, atol=1e-7)


def test_lambda_follows_the_schedule(trial):
    import tensorflow as tf

    parts, _ = trial.trained(1, lambda_max=0.5, lambda_gamma=10.0)
    for progress, expected in ((0.0, 0.0), (0.1, 0.5 * 0.46211716), (0.5, 0.5 * 0.98661430)):
        parts.method.before_step(tf.constant(progress))
        assert float(parts.method.state["lambda"].numpy()) == pytest.approx(expected, abs=1e-6)


def test_more_domain_updates_train_the_head_more(trial):
    _, few = trial.trained(6, lambda_max=0.0, domain_updates=1)
    _, many = trial.trained(6, lambda_max=0.0, domain_updates=8)
    assert many[-1]["domain_loss"] != few[-1]["domain_loss"]
    assert config_hash(domain_updates=1) != config_hash(domain_updates=8)


def config_hash(**options):
    return build_config({"method": ["grl"], **options}).identity_hash()
