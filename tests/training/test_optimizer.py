"""The label head learns at a rate of its own."""

import numpy as np
import pytest

from magsig_tf.training.parts import TwoRatesAdamW, build_optimizer
from tests.tiny import tiny_config

BATCH_STEPS = 5


def classifier():
    import keras

    from magsig_tf.models.classifier import build_classifier

    inputs = keras.Input((2, 2, 3))
    outputs = keras.layers.Dense(4, name="inner")(keras.layers.GlobalAveragePooling2D()(inputs))
    return build_classifier(keras.Model(inputs, outputs, name="encoder"), 0.0, 0)


def moved(precision="float32", **settings):
    """Return how far the first weight of encoder and head goes in one step with equal gradients."""
    import tensorflow as tf

    network = classifier()
    values = {"warmup": 0.0, "weight_decay": 0.0, "learning_rate": 0.001} | settings
    optimizer = build_optimizer(tiny_config(**values).settings, network, BATCH_STEPS, precision)
    before = [variable.numpy() for variable in network.trainable_variables]
    scale = optimizer.scale_loss(tf.constant(1.0))
    gradients = [scale * tf.ones(variable.shape) for variable in network.trainable_variables]
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    steps = {
        variable.path: float(np.abs(variable.numpy() - old).max())
        for variable, old in zip(network.trainable_variables, before, strict=True)
    }
    encoder = [step for path, step in steps.items() if "inner" in path]
    head = [step for path, step in steps.items() if "logit" in path]
    return encoder, head


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_adam_moves_each_by_its_own_rate(precision):
    encoder, head = moved(precision, head_learning_rate=0.02)
    # the first step of Adam is the learning rate, whatever the gradient
    assert encoder == pytest.approx([0.001] * 2, rel=1e-3)
    assert head == pytest.approx([0.02] * 2, rel=1e-3)


def test_without_a_rate_of_its_own_the_head_learns_as_the_encoder_does():
    encoder, head = moved()
    assert encoder + head == pytest.approx([0.001] * 4, rel=1e-3)


def test_replicas_move_each_by_its_own_rate():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        network = classifier()
        optimizer = build_optimizer(
            tiny_config(warmup=0.0, weight_decay=0.0, learning_rate=0.001, head_learning_rate=0.02).settings,
            network, BATCH_STEPS, "float32",
        )  # fmt: skip
    before = [variable.numpy() for variable in network.trainable_variables]

    @tf.function
    def step():
        gradients = [tf.ones(variable.shape) for variable in network.trainable_variables]
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))

    strategy.run(step)
    steps = [
        float(np.abs(variable.numpy() - old).max())
        for variable, old in zip(network.trainable_variables, before, strict=True)
    ]
    assert steps == pytest.approx([0.001, 0.001, 0.02, 0.02], rel=1e-3)


def test_the_order_of_factors_is_that_of_the_variables():
    optimizer = TwoRatesAdamW([1.0, 3.0], learning_rate=0.1)
    assert optimizer.factors == (1.0, 3.0)
