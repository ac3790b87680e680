"""Swapping layers in whole models."""

import keras
import numpy as np
import pytest
from keras import layers

from magsig_tf.models.fuse import swap_batch_normalization, swap_depthwise_convolution, synchronize_batch_normalization
from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.saved_model import load_saved_model


def flat(model):
    for layer in model.layers:
        yield from flat(layer) if hasattr(layer, "layers") else (layer,)


def kinds(model):
    return [type(layer).__name__ for layer in flat(model)]


def names(model):
    # Keras renames unnamed inputs when it clones
    return [layer.name for layer in flat(model) if not isinstance(layer, layers.InputLayer)]


def small_model():
    inner_input = keras.Input((8, 8, 4))
    inner = keras.Model(
        inner_input, layers.BatchNormalization(momentum=0.8, name="inner_norm")(inner_input), name="inner"
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="norm", trainable=False)(layers.Conv2D(4, 3, padding="same")(inputs))
    return keras.Model(inputs, layers.Add()([x, inner(x)]), name="small")


def scrambled(model):
    generator = np.random.default_rng(0)
    model.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
    return model


@pytest.mark.parametrize(
    "build",
    [
        small_model,
        lambda: keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg"),
        lambda: keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35),
    ],
    ids=["nested", "ResNet50", "MobileNetV2"],
)
def test_structure_names_and_weights_are_kept(build):
    model = scrambled(build())
    swapped = swap_batch_normalization(model)
    expected = [kind.replace("BatchNormalization", "FusedBatchNormalization") for kind in kinds(model)]
    assert "BatchNormalization" in kinds(model)
    assert kinds(swapped) == expected
    assert swapped.name == model.name
    assert names(swapped) == names(model)
    for old, new in zip(model.get_weights(), swapped.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_swapped_model_computes_the_same_and_comes_back():
    model = scrambled(small_model())
    swapped = swap_batch_normalization(model)
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
    assert swapped.get_layer("norm").trainable is False
    assert swapped.get_layer("inner").get_layer("inner_norm").momentum == 0.8
    for training in (False, True, False):
        np.testing.assert_allclose(swapped(x, training=training), model(x, training=training), rtol=1e-3, atol=1e-3)
    back = swap_batch_normalization(swapped, fused=False)
    assert kinds(back) == kinds(model)
    np.testing.assert_allclose(back(x), model(x), rtol=1e-3, atol=1e-3)


def test_nothing_to_swap_returns_the_model_itself():
    inputs = keras.Input((4, 4, 3))
    synchronized = keras.Model(inputs, layers.BatchNormalization(synchronized=True)(inputs))
    assert swap_batch_normalization(synchronized) is synchronized
    fused = keras.Model(inputs, FusedBatchNormalization()(inputs))
    assert swap_batch_normalization(fused) is fused

    class Subclassed(keras.Model):
        pass

    model = Subclassed()
    assert swap_batch_normalization(model) is model


def test_synchronized_statistics_take_over_both_kinds_and_keep_weights_and_name():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3),
            FusedBatchNormalization(),
            keras.layers.BatchNormalization(),
        ],
        name="encoder",
    )
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    model(images, training=True)
    swapped = synchronize_batch_normalization(model)
    assert swapped.name == "encoder"
    assert [type(layer).__name__ for layer in swapped.layers[1:]] == ["BatchNormalization"] * 2
    assert all(layer.synchronized for layer in swapped.layers[1:])
    np.testing.assert_allclose(swapped(images), model(images), atol=1e-5)
    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    assert synchronize_batch_normalization(plain) is plain


def depthwise_model(dtype):
    inputs = keras.Input((8, 8, 4))
    x = layers.DepthwiseConv2D(5, padding="same", dtype=dtype, name="wide")(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", dtype=dtype, name="strided")(x)
    return keras.Model(inputs, layers.DepthwiseConv2D(3, dtype=dtype, name="plain")(x))


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float32", {"wide"}), ("mixed_bfloat16", {"wide", "strided"})], ids=["float32", "bfloat16"]
)
def test_depthwise_convolution_is_swapped_where_it_gains_and_survives_saving(tmp_path, dtype, expected):
    model = scrambled(depthwise_model(dtype))
    swapped = swap_depthwise_convolution(model)
    swapped.save(tmp_path / "swapped.keras")
    for found in (swapped, load_saved_model(tmp_path / "swapped.keras")):
        assert {layer.name for layer in found.layers if type(layer) is DepthwiseConv2D} == expected
        assert found.get_layer("wide").compute_dtype == dtype.removeprefix("mixed_")
        for theirs, ours in zip(model.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert kinds(swap_depthwise_convolution(swapped, quick=False)) == kinds(model)
    assert not any(type(layer) is DepthwiseConv2D for layer in swap_depthwise_convolution(swapped, quick=False).layers)


def test_a_model_whose_depthwise_convolution_gains_nothing_stays_itself():
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, layers.DepthwiseConv2D(3, strides=2)(inputs))
    assert swap_depthwise_convolution(model) is model
