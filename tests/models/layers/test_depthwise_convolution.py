"""The depthwise layer against Keras's own: values, gradients, configuration, and that the gradient is split."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers import DepthwiseConv2D
from magsig_tf.models.layers.depthwise_convolution import WIDEST

CHANNELS = 3


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pair(shape, **config):
    layers = [keras.layers.DepthwiseConv2D(**config), DepthwiseConv2D(**config)]
    for layer in layers:
        layer.build(shape)
        layer.set_weights([draw(weight.shape, number) for number, weight in enumerate(layer.weights)])
    return layers


def step(layer, images):
    images = tf.Variable(images)
    with tf.GradientTape() as tape:
        outputs = layer(images)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * draw(outputs.shape, 9))
    return [outputs, *tape.gradient(loss, [images, *layer.trainable_variables])]


@pytest.mark.parametrize("kernel", [4, 5, 7, (2, 5)], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_values_and_gradients_equal_those_of_keras(kernel, stride, padding):
    sizes = [(7, 8), (9, 11)] if padding == "valid" else [(1, 1), (2, 1), (3, 4), (7, 8), (9, 11)]
    for height, width in sizes:
        shape = (2, height, width, CHANNELS)
        stock, ours = pair(shape, kernel_size=kernel, strides=stride, padding=padding, activation="tanh")
        for theirs, found in zip(step(stock, draw(shape)), step(ours, draw(shape)), strict=True):
            np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-4)


def gradient_columns(layer, shape):
    """Return the filter columns of each filter gradient in the graph of a step."""
    graph = tf.function(lambda images: step_in_graph(layer, images)).get_concrete_function(tf.TensorSpec(shape)).graph
    sizes = [op.inputs[1] for op in graph.get_operations() if op.type == "DepthwiseConv2dNativeBackpropFilter"]
    return [int(tf.get_static_value(size)[1]) for size in sizes]


def step_in_graph(layer, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images) ** 2)
    return tape.gradient(loss, layer.trainable_variables[0])


def test_no_gradient_is_wider_than_the_quick_kernel_takes():
    shape = (2, 8, 8, CHANNELS)
    stock, ours = pair(shape, kernel_size=7, padding="same")
    assert gradient_columns(stock, shape) == [7]
    assert gradient_columns(ours, shape) == [3, 3, 1]
    assert max(gradient_columns(ours, shape)) <= WIDEST


@pytest.mark.parametrize(
    "config", [{"dilation_rate": 2}, {"depth_multiplier": 2}, {"kernel_size": 3}, {"strides": 1, "kernel_size": (5, 1)}]
)
def test_what_is_not_split_runs_as_in_keras(config):
    shape = (2, 8, 8, CHANNELS)
    stock, ours = pair(shape, **{"kernel_size": 5, "padding": "same", **config})
    for theirs, found in zip(step(stock, draw(shape)), step(ours, draw(shape)), strict=True):
        np.testing.assert_array_equal(found, theirs)


def test_mixed_precision_is_as_near_as_bfloat16_allows():
    shape = (2, 9, 9, CHANNELS)
    stock, ours = pair(shape, kernel_size=5, padding="same", dtype="mixed_bfloat16")
    for theirs, found in zip(step(stock, draw(shape)), step(ours, draw(shape)), strict=True):
        assert found.dtype == theirs.dtype
        theirs, found = np.float32(theirs), np.float32(found)
        np.testing.assert_allclose(found, theirs, atol=0.03 * np.abs(theirs).max())


def test_weight_files_fit_models_with_either_layer(tmp_path):
    def build(layer):
        inputs = keras.Input((8, 8, CHANNELS))
        return keras.Model(inputs, layer(5, name="depthwise")(inputs))

    stock, ours = build(keras.layers.DepthwiseConv2D), build(DepthwiseConv2D)
    for old, new in ((stock, ours), (ours, stock)):
        new.set_weights([weight + 1 for weight in new.get_weights()])
        old.save_weights(tmp_path / "some.weights.h5")
        new.load_weights(tmp_path / "some.weights.h5")
        for expected, found in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
