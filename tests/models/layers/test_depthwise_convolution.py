"""The depthwise layer against Keras's own: values, gradients, weight files, and which kernels its gradients take."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D

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


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_is_as_near_as_it_allows(kernel, stride, policy):
    shape = (2, 9, 9, CHANNELS)
    stock, ours = pair(shape, kernel_size=kernel, strides=stride, padding="same", dtype=policy)
    for theirs, found in zip(step(stock, draw(shape)), step(ours, draw(shape)), strict=True):
        assert found.dtype == theirs.dtype
        theirs, found = np.float32(theirs), np.float32(found)
        np.testing.assert_allclose(found, theirs, atol=0.03 * np.abs(theirs).max())


def gradient_kernels(layer):
    """Return dtype and padding of the gradients' operations in the graph of a step."""
    layer.build((2, 8, 8, CHANNELS))

    @tf.function
    def gradients(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.cast(layer(images), tf.float32) ** 2)
        return tape.gradient(loss, [images, layer.trainable_variables[0]])

    graph = gradients.get_concrete_function(tf.TensorSpec((2, 8, 8, CHANNELS))).graph
    return {
        op.type.removeprefix("DepthwiseConv2dNativeBackprop"): (op.get_attr("T").name, op.get_attr("padding").decode())
        for op in graph.get_operations()
        if "Backprop" in op.type
    }


@pytest.mark.parametrize(
    ("config", "inputs", "kernel"),
    [
        ({"kernel_size": 5}, ("float32", "SAME"), ("float32", "EXPLICIT")),
        ({"kernel_size": 5, "dtype": "mixed_bfloat16"}, ("bfloat16", "SAME"), ("float32", "EXPLICIT")),
        ({"kernel_size": 3, "strides": 2, "dtype": "mixed_bfloat16"}, ("float32", "SAME"), ("bfloat16", "SAME")),
        ({"kernel_size": 3, "dtype": "mixed_bfloat16"}, ("bfloat16", "SAME"), ("bfloat16", "SAME")),
        ({"kernel_size": 3, "strides": 2}, ("float32", "SAME"), ("float32", "SAME")),
        ({"kernel_size": (5, 1)}, ("float32", "SAME"), ("float32", "SAME")),
    ],
    ids=str,
)
def test_gradients_take_the_quick_kernels(config, inputs, kernel):
    assert gradient_kernels(DepthwiseConv2D(padding="same", **config)) == {"Input": inputs, "Filter": kernel}


@pytest.mark.parametrize("config", [{"dilation_rate": 2}, {"depth_multiplier": 2}, {"kernel_size": 3}], ids=str)
def test_what_gains_nothing_runs_as_in_keras(config):
    shape = (2, 8, 8, CHANNELS)
    stock, ours = pair(shape, **{"kernel_size": 5, "padding": "same", **config})
    for theirs, found in zip(step(stock, draw(shape)), step(ours, draw(shape)), strict=True):
        np.testing.assert_array_equal(found, theirs)


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
