"""Gradient reversal: identity forwards, minus lambda backwards, lambda outside the graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers.gradient_reversal import GradientReversal


def numeric_gradient(function, point, width=1e-2):
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        shift = np.zeros_like(point)
        shift[index] = width
        gradient[index] = (function(point + shift) - function(point - shift)) / (2 * width)
    return gradient


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_the_gradient_is_minus_lambda_times_the_numeric_one(strength):
    layer = GradientReversal(strength)
    point = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")

    def loss(x):
        return tf.reduce_sum(tf.sin(x) * tf.constant([1.0, 2.0, 3.0]))

    x = tf.Variable(point)
    with tf.GradientTape() as tape:
        value = loss(layer(x))
    expected = numeric_gradient(lambda p: float(loss(tf.constant(p))), point)
    assert float(value) == float(loss(x))
    np.testing.assert_allclose(tape.gradient(value, x), -strength * expected, rtol=1e-3, atol=1e-3)


def test_lambda_changes_without_a_retrace():
    layer = GradientReversal()
    traces = []

    @tf.function
    def gradient(x):
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x))
        return tape.gradient(value, x)

    found = []
    for strength in (1.0, 0.25):
        layer.strength.assign(strength)
        found.append(float(gradient(tf.ones([1]))[0]))
    assert found == [-1.0, -0.25]
    assert len(traces) == 1


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_lambda_in_float32(policy):
    layer = GradientReversal(0.1, dtype=policy)
    x = tf.constant([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        value = tf.reduce_sum(tf.cast(y, tf.float32))
    assert y.dtype == keras.DTypePolicy(policy).compute_dtype
    assert layer.strength.dtype == "float32"
    np.testing.assert_allclose(tape.gradient(value, x), [[-0.1, -0.1]], rtol=5e-3)


def test_save_and_load_keep_the_present_lambda(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(GradientReversal(0.5, name="reversal")(inputs)))
    model.get_layer("reversal").strength.assign(0.75)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert float(loaded.get_layer("reversal").strength) == 0.75
    assert loaded.get_layer("reversal").get_config()["strength"] == 0.5
    assert loaded.get_layer("reversal").trainable_weights == []
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(loaded(x), model(x))
