"""The depthwise kernel against numpy: values, which layers it can serve, and the way there and back."""

import keras
import numpy as np
import pytest
from keras import layers

from magsig_tf.models.fuse import swap_grouped_convolution
from magsig_tf.models.layers.depthwise_convolution import DepthwiseGroups
from magsig_tf.models.saved_model import load_saved_model


def built(channels=6, **config):
    layer = layers.Conv2D(**{"filters": channels, "kernel_size": 3, "groups": channels} | config)
    layer.build((None, 9, 9, channels))
    return layer


def by_hand(images, kernel, bias, groups):
    """Each channel convolved by itself with its own filters, padding valid, stride 1."""
    height, width, _, filters = kernel.shape
    each = filters // groups
    rows, columns = images.shape[1] - height + 1, images.shape[2] - width + 1
    result = np.zeros((len(images), rows, columns, filters))
    for output in range(filters):
        for y in range(height):
            for x in range(width):
                channel = images[:, y : y + rows, x : x + columns, output // each]
                result[..., output] += channel * kernel[y, x, 0, output]
    return result + bias


@pytest.mark.parametrize("filters", [6, 12])
def test_each_channel_has_filters_of_its_own(filters):
    layer = DepthwiseGroups(filters, 3, groups=6, bias_initializer="random_normal")
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 6)).astype("float32")
    expected = layer(images)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 3, 1, filters)
    np.testing.assert_allclose(expected, by_hand(images, kernel, bias, groups=6), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "served"),
    [
        ({}, True),
        ({"filters": 12}, True),
        ({"strides": 2}, True),
        ({"dilation_rate": 2, "padding": "same"}, True),
        ({"groups": 3}, False),
        ({"groups": 1}, False),
        ({"strides": (1, 2)}, False),
    ],
    ids=str,
)
def test_only_a_group_a_channel_is_served(config, served):
    assert DepthwiseGroups.serves(built(**config)) is served


def test_a_model_is_swapped_there_and_back_and_loads_from_a_file(tmp_path):
    inputs = keras.Input((9, 9, 6))
    inner = keras.Sequential([layers.Conv2D(6, 3, groups=6, name="grouped")], name="inner")
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="plain")(inner(inputs)))
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 6)).astype("float32")
    swapped = swap_grouped_convolution(model)
    assert type(swapped.get_layer("inner").get_layer("grouped")) is DepthwiseGroups
    np.testing.assert_allclose(swapped(images), model(images), atol=1e-5)
    swapped.save(tmp_path / "swapped.keras")
    np.testing.assert_array_equal(load_saved_model(tmp_path / "swapped.keras")(images), swapped(images))
    back = swap_grouped_convolution(swapped, depthwise=False)
    assert type(back.get_layer("inner").get_layer("grouped")) is layers.Conv2D
    np.testing.assert_allclose(back(images), model(images), atol=1e-5)
    assert swap_grouped_convolution(back.get_layer("plain")) is back.get_layer("plain")
