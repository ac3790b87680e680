"""QuarterTurns, StainJitter and CropZoom."""

import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.layers.augmentation import CropZoom, QuarterTurns, StainJitter, stain_matrix, symmetries


def images(count=40, height=6, width=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3)).astype("float32")


@pytest.mark.parametrize("layer", [QuarterTurns, StainJitter, CropZoom])
def test_the_same_state_gives_the_same_images_and_training_false_changes_nothing(layer):
    layer, x = layer(seed=3), images()
    np.testing.assert_array_equal(layer(x, training=False), x)
    first, second = layer(x, training=True), layer(x, training=True)
    assert not np.array_equal(first, second)
    layer.generator.state.assign([3, 0])
    np.testing.assert_array_equal(layer(x, training=True), first)
    rebuilt = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(rebuilt(x, training=True), first)


def test_every_image_takes_one_of_the_eight_symmetries_and_all_eight_occur():
    x = np.repeat(images(1), 200, axis=0)
    eight = [np.rot90(side, turns) for side in (x[0], x[0].transpose(1, 0, 2)) for turns in range(4)]
    turned = np.asarray(QuarterTurns(seed=1)(x, training=True))
    which = [[np.array_equal(image, candidate) for candidate in eight].index(True) for image in turned]
    assert set(which) == set(range(8))


def test_images_that_are_not_square_keep_their_shape():
    assert symmetries(4, 6).shape == (4, 24)
    assert len(np.unique(symmetries(6, 6), axis=0)) == 8
    x = images(30, 4, 6)
    turned = np.asarray(QuarterTurns(seed=1)(x, training=True))
    assert turned.shape == x.shape
    np.testing.assert_array_equal(np.sort(turned.reshape(30, -1)), np.sort(x.reshape(30, -1)))


def test_uint8_stays_uint8_when_turned():
    assert QuarterTurns(seed=1)(images().astype("uint8"), training=True).dtype == tf.uint8


def test_stain_jitter_scales_the_concentrations():
    strength = 0.3
    x = np.maximum(images(50), 60)  # no clipping in this range of pixels
    y = np.asarray(StainJitter(strength, shift=0.0, seed=2)(x, training=True))
    unmix = np.linalg.inv(stain_matrix())
    before, after = (np.log(255 / np.maximum(i, 1)) @ unmix for i in (x, y))
    inside = (y > 1).all(axis=(1, 2, 3)) & (y < 254.99).all(axis=(1, 2, 3))
    assert inside.sum() > 10
    ratio = (after[inside] * before[inside]).sum(axis=(1, 2)) / (before[inside] ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(after[inside], before[inside] * ratio[:, None, None], atol=2e-3)
    assert np.abs(ratio - 1).max() <= strength
    assert ratio.std() > 0.05


def test_stain_jitter_without_strength_is_the_identity_above_black():
    x = np.maximum(images(), 1)
    np.testing.assert_allclose(StainJitter(0.0)(x, training=True), x, rtol=1e-5)


def test_stain_jitter_leaves_white_white_and_stays_in_range():
    white = np.full((8, 2, 2, 3), 255.0, "float32")
    np.testing.assert_allclose(StainJitter(0.5, shift=0.0)(white, training=True), white, rtol=1e-5)
    y = np.asarray(StainJitter(0.9)(images(), training=True))
    assert y.min() >= 0
    assert y.max() <= 255


def test_crop_zoom_shows_a_part_of_the_field():
    ramp = np.broadcast_to(np.linspace(0, 255, 32, dtype="float32")[None, None, :, None], (64, 32, 32, 3))
    y = np.asarray(CropZoom(0.4, seed=5)(ramp, training=True))
    side = (y[:, 0, -1, 0] - y[:, 0, 0, 0]) / 255
    assert side.min() >= 0.6 - 1e-4
    assert side.max() <= 1 + 1e-4
    assert side.std() > 0.05
    assert y.min() >= 0
    assert y.max() <= 255.001
    np.testing.assert_allclose(CropZoom(0.0)(ramp, training=True), ramp, atol=1e-3)


@pytest.mark.parametrize("arguments", [{"strength": 1.0}, {"strength": -0.1}])
@pytest.mark.parametrize("layer", [StainJitter, CropZoom])
def test_impossible_strengths_are_refused(layer, arguments):
    with pytest.raises(ValueError, match="strength"):
        layer(**arguments)
