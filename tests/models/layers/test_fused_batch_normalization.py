"""The fused layer against Keras's own: values, gradients, moving statistics, freezing, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization

SHAPE = (4, 3, 5, 6)


def draw(shape=SHAPE, seed=0):
    return (3 + 2 * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def pair(shape=SHAPE, **config):
    layers = [keras.layers.BatchNormalization(**config), FusedBatchNormalization(**config)]
    for layer in layers:
        layer.build(shape)
    values = [np.abs(draw(weight.shape, number)) for number, weight in enumerate(layers[0].weights)]
    for layer in layers:
        layer.set_weights(values)
    return layers


def step(layer, x, training):
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2 * draw(y.shape, 9))
    return [y, *tape.gradient(loss, [x, *layer.trainable_variables])]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "config", [{}, {"scale": False}, {"center": False}, {"momentum": 0.7, "epsilon": 1.001e-5}], ids=str
)
def test_values_gradients_and_moving_statistics_equal_those_of_keras(config, training):
    stock, fused = pair(**config)
    for number in range(2):
        x = draw(seed=20 + number)
        for theirs, ours in zip(step(stock, x, training), step(fused, x, training), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4 * np.abs(theirs).max())
    for theirs, ours in zip(stock.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_moving_variance_averages_the_biased_variance():
    layer = FusedBatchNormalization(momentum=0.0)
    x = draw((2, 1, 1, 1))
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_variance, [x.var()], rtol=1e-5)  # unbiased would be twice that
    layer(x[:1], training=True)
    np.testing.assert_allclose(layer.moving_variance, [0.0], atol=1e-6)


def test_weights_configuration_and_distribution_are_those_of_keras():
    stock, fused = pair(beta_regularizer="l2", gamma_initializer="zeros")
    assert fused.get_config() == {**stock.get_config(), "name": fused.name}
    for theirs, ours in zip(stock.weights, fused.weights, strict=True):
        assert ours.name == theirs.name
        assert ours.trainable == theirs.trainable
        assert ours.value.aggregation == theirs.value.aggregation
        assert ours.value.synchronization == theirs.value.synchronization


def test_frozen_means_moving_statistics():
    stock, fused = pair()
    stock.trainable = fused.trainable = False
    before = fused.get_weights()
    np.testing.assert_allclose(fused(draw(), training=True), stock(draw(), training=True), rtol=1e-4, atol=1e-4)
    for old, new in zip(before, fused.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_training_through_a_frozen_layer_asks_no_kernel_for_its_gradient():
    # on a GPU under op determinism that gradient raises UnimplementedError; a CPU computes it without a word
    layer = pair()[1]
    layer.trainable = False

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        return tape.gradient(loss, x)

    kinds = {operation.type for operation in gradient.get_concrete_function(tf.constant(draw())).graph.get_operations()}
    assert not any(kind.startswith("FusedBatchNorm") for kind in kinds)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("training", [True, False])
def test_mixed_precision_keeps_statistics_in_float32(policy, training):
    stock, fused = pair(dtype=policy, momentum=0.5)
    theirs, ours = step(stock, draw(), training), step(fused, draw(), training)
    assert ours[0].dtype == theirs[0].dtype == keras.DTypePolicy(policy).compute_dtype
    for expected, found in zip(theirs, ours, strict=True):
        expected, found = np.float32(expected), np.float32(found)
        np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())
    for expected, found in zip(stock.weights, fused.weights, strict=True):
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("config", "shape"), [({}, (5, 6)), ({"axis": 1}, SHAPE), ({"epsilon": 1e-6}, SHAPE), ({"dtype": "float64"}, SHAPE)]
)
def test_what_the_kernel_cannot_do_runs_as_in_keras(config, shape):
    stock, fused = pair(shape, **config)
    np.testing.assert_array_equal(fused(draw(shape), training=True), stock(draw(shape), training=True))


def test_a_mask_is_respected():
    stock, fused = pair()
    mask = np.random.default_rng(1).integers(0, 2, SHAPE[:3]).astype(bool)
    np.testing.assert_array_equal(
        fused(draw(), training=True, mask=mask), stock(draw(), training=True, mask=tf.constant(mask))
    )
