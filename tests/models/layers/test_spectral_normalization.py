"""A layer divided by its largest singular value, against numpy's decomposition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers.spectral_normalization import SpectralNormalization
from magsig_tf.models.saved_model import load_saved_model


@pytest.fixture
def convolution():
    kernel = keras.initializers.RandomNormal(stddev=0.5, seed=1)
    layer = keras.layers.Conv2D(3, 2, use_bias=False, kernel_initializer=kernel, name="inner")
    return keras.Sequential([keras.Input((5, 5, 2)), SpectralNormalization(layer, seed=3, name="outer")])


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(4, 5, 5, 2)).astype(np.float32)


def largest(model):
    return np.linalg.svd(model.layers[0].layer.kernel.numpy().reshape(-1, 3), compute_uv=False)[0]


def test_power_iterations_find_the_largest_singular_value(convolution, images):
    for _ in range(40):
        convolution(images, training=True)
    outer = convolution.layers[0]
    kernel, vector = outer.layer.kernel.numpy(), outer.vector.numpy()
    np.testing.assert_allclose(convolution(images), outer.layer(images) / largest(convolution), rtol=1e-4, atol=1e-6)
    convolution(images)
    np.testing.assert_array_equal(outer.layer.kernel, kernel)  # the trained kernel itself stays as it is
    np.testing.assert_array_equal(outer.vector, vector)  # and so does the vector outside training


def test_the_gradient_is_that_of_the_divided_kernel(convolution, images):
    for _ in range(40):
        convolution(images, training=True)
    outer = convolution.layers[0]
    kernel = outer.layer.kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(convolution(images) ** 2)
    found = tape.gradient(loss, kernel.value)
    with tf.GradientTape() as tape:
        matrix = tf.reshape(kernel.value, [-1, 3])
        reference = tf.reduce_sum(tf.nn.conv2d(images, kernel.value / tf.linalg.svd(matrix)[0][0], 1, "VALID") ** 2)
    np.testing.assert_allclose(found, tape.gradient(reference, kernel.value), rtol=1e-3, atol=1e-3)
    # a norm that does not change with the kernel's scale has no gradient along the kernel
    assert abs(np.sum(found * kernel.numpy())) < 1e-3 * np.linalg.norm(found) * np.linalg.norm(kernel)


def test_it_is_saved_and_loaded(convolution, images, tmp_path):
    convolution(images, training=True)
    convolution.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_saved_model(tmp_path / "model.keras")(images), convolution(images))


def test_a_kernel_of_zeros_gives_zeros(convolution, images):
    convolution.layers[0].layer.kernel.assign(np.zeros((2, 2, 2, 3)))
    np.testing.assert_array_equal(convolution(images, training=True), np.zeros((4, 4, 4, 3)))


def test_a_layer_with_a_bias_is_refused():
    with pytest.raises(ValueError, match="no bias"):
        SpectralNormalization(keras.layers.Dense(2))
