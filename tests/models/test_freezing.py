"""Freezing a part of a network or its batch statistics, by the names that a user types."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from magsig_tf.errors import UsageError
from magsig_tf.models.classifier import freeze, layers_until, trained_weights
from magsig_tf.models.encoders.small_cnn import build, build_with_dropout

SHAPE = (16, 16, 3)
NAMES = [
    "stem_conv",
    "block1_norm",
    "block4a_conv",
    "block4b_norm",
    "block10_conv",
    "conv2d",
    "conv2d_1",
    "stage_0_conv",
]


def images(count=8):
    return np.random.default_rng(0).uniform(0, 255, (count, *SHAPE)).astype("float32")


def named(*names):
    """A chain of layers with these names."""
    return keras.Sequential([keras.Input(SHAPE), *(layers.Dense(2, name=name) for name in names)])


@pytest.mark.parametrize(
    ("block", "last"),
    [
        ("stem", "stem_conv"),
        ("stem_conv", "stem_conv"),
        ("block1", "block1_norm"),
        ("block4", "block4b_norm"),
        ("block4a", "block4a_conv"),
        ("block10", "block10_conv"),
        ("conv2d", "conv2d"),
        ("stage_0", "stage_0_conv"),
    ],
)
def test_a_block_is_a_layer_or_what_names_begin_with(block, last):
    model = named(*NAMES)
    found = layers_until(model, block)
    assert [layer.name for layer in found] == NAMES[: NAMES.index(last) + 1]


@pytest.mark.parametrize(
    ("block", "near"),
    [
        ("block3", "block1"),
        ("stage", "stage_0"),
        ("conv", "conv2d"),
        ("conv2", "conv2d"),
        ("Stem", "stem"),
        ("block", "block4"),
    ],
)
def test_what_begins_no_name_is_refused_with_the_nearest(block, near):
    with pytest.raises(UsageError, match=rf"--freeze-until, found '{block}'\. The nearest are .*\b{near}\b"):
        layers_until(named(*NAMES), block)


def test_what_is_like_no_name_is_answered_with_some_from_the_input_on():
    with pytest.raises(UsageError, match=r"found '\?'\. Some, from the input on: conv0, .*conv2, .*norm4\."):
        layers_until(build(SHAPE), "?")


def test_a_network_inside_the_encoder_is_searched():
    pixels = keras.Input(SHAPE)
    inner = build(SHAPE)
    model = keras.Model(pixels, layers.Dense(4, name="top")(inner(layers.Dense(3, name="first")(pixels))))
    found = [layer.name for layer in layers_until(model, "relu1")]
    assert "first" in found
    assert found[-1] == "relu1"
    assert "conv2" not in found
    freeze(model, "relu1")
    assert not model.get_layer("first").trainable
    assert [weight.path.split("/")[-2] for weight in inner.trainable_weights[:2]] == ["conv2", "norm2"]


def gradient_step(model):
    """Move every trained weight by its gradient, with batch statistics on the way."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(images(), training=True) - 1.0) ** 2)
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        weight.assign_sub(0.1 * gradient)


def changed(model, before):
    return {w.path for w, old in zip(model.weights, before, strict=True) if not np.array_equal(w.numpy(), old)}


def test_frozen_layers_keep_weights_and_statistics():
    model = build(SHAPE)
    freeze(model, until="relu1")
    before = model.get_weights()
    gradient_step(model)
    moved = changed(model, before)
    assert not [path for path in moved if path.startswith(("conv0", "norm0", "conv1", "norm1"))]
    assert {"conv2/kernel", "norm2/gamma", "norm2/moving_mean", "norm4/moving_variance"} <= moved
    assert all(layer.name not in ("conv0", "norm1") for layer in model.layers if layer.trainable)


@pytest.mark.parametrize("network", [build, build_with_dropout], ids=["fused", "stock"])
def test_frozen_statistics_are_used_and_kept_while_scale_and_offset_are_trained(network):
    model = network(SHAPE)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    freeze(model, batch_statistics=True)
    np.testing.assert_allclose(model(images(), training=True), model(images(), training=False), rtol=1e-4, atol=1e-5)
    before = model.get_weights()
    gradient_step(model)
    moved = changed(model, before)
    assert not [path for path in moved if "moving" in path]
    assert {f"norm{number}/{weight}" for number in range(5) for weight in ("gamma", "beta")} <= moved


def test_both_together_leave_the_frozen_part_alone():
    model = build(SHAPE)
    freeze(model, until="norm1", batch_statistics=True)
    before = model.get_weights()
    gradient_step(model)
    moved = changed(model, before)
    assert not [path for path in moved if "moving" in path or path.startswith(("norm0", "norm1"))]
    assert {"norm2/gamma", "norm4/beta", "conv2/kernel"} <= moved


def test_a_norm_without_scale_is_frozen_too():
    model = keras.Sequential([keras.Input(SHAPE), layers.BatchNormalization(scale=False, name="norm")])
    freeze(model, batch_statistics=True)
    assert [weight.name for weight in model.trainable_weights] == ["beta"]


def test_weights_are_counted_without_batch_statistics():
    model = named("first", "second")  # 3 x 2 + 2 and 2 x 2 + 2 numbers
    assert trained_weights(model) == (14, 14)
    freeze(model, until="first")
    assert trained_weights(model) == (6, 14)
    norm = keras.Sequential([keras.Input(SHAPE), layers.BatchNormalization()])
    assert trained_weights(norm) == (6, 6)
    freeze(norm, batch_statistics=True)
    assert trained_weights(norm) == (6, 6)
