"""Augmentation from a config's list."""

import keras
import numpy as np
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.models.augmentation import assign_seeds, build_augmentation, seed_generators
from magsig_tf.models.layers.augmentation import Augmentation, StainJitter
from magsig_tf.models.saved_model import load_saved_model

MIXED = [
    "QuarterTurns",
    {"StainJitter": {"strength": 0.3}},
    {"CropZoom": {"strength": 0.2}},
    {"RandomRotation": {"factor": 0.1, "fill_mode": "reflect"}},
    {"RandomBrightness": {"factor": 0.5}},
    {"keras.layers.RandomContrast": {"factor": 0.5}},
    {"Rescaling": {"scale": 1.5}},
]


def images(dtype="float32"):
    return np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pixels_stay_float32_between_0_and_255(dtype):
    augmented = np.asarray(build_augmentation(MIXED, seed=1)(images(dtype), training=True))
    assert augmented.dtype == np.float32
    assert augmented.shape == (6, 12, 12, 3)
    assert augmented.min() >= 0
    assert augmented.max() <= 255
    assert not np.array_equal(augmented, images())


def test_an_empty_list_and_training_false_change_nothing():
    np.testing.assert_array_equal(build_augmentation([], seed=1)(images("uint8"), training=True), images())
    np.testing.assert_array_equal(build_augmentation(MIXED[:-1], seed=1)(images(), training=False), images())


def test_the_same_seed_draws_the_same_and_positions_differ():
    first, again, other = (build_augmentation(MIXED, seed)(images(), training=True) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    twice = build_augmentation(["StainJitter", "StainJitter", {"StainJitter": {"seed": 5}}], 0).steps
    assert twice[0].seed != twice[1].seed
    assert twice[2].seed == 5


def test_it_can_be_saved_and_loaded(tmp_path):
    layer = build_augmentation(MIXED, seed=1)
    inputs = keras.Input((12, 12, 3))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = next(
        layer for layer in load_saved_model(tmp_path / "model.keras").layers if isinstance(layer, Augmentation)
    )
    assert isinstance(loaded.steps[1], StainJitter)
    assert loaded.steps[1].strength == 0.3
    drawn = []
    for augmentation in (layer, loaded):
        assign_seeds(seed_generators(augmentation), 3, 0)
        drawn.append(augmentation(images(), training=True))
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("StainJiter", "StainJitter"),
        ("RandomZom", "RandomZoom"),
        ({"StainJitter": {"strenght": 0.1}}, r"strength=0\.2.*strenght"),
        ({"StainJitter": {"strength": 3}}, r"strength must be in \[0, 1\)"),
        ("RandomZoom", "height_factor"),
        ({"StainJitter": {}, "QuarterTurns": {}}, "each entry"),
        ({"StainJitter": 0.3}, "each entry"),
        (3, "each entry"),
        ("os.system", "no Keras layer"),
        ("keras.layers.Absent", "import path"),
        ("no_such_package.Layer", "import path"),
    ],
)
def test_a_wrong_entry_says_what_is_right(entry, message):
    with pytest.raises(UsageError, match=f"(?s){message}"):
        build_augmentation([entry], seed=0)


@pytest.mark.keras_cv
@pytest.mark.parametrize("name", ["RandAugment", "RandomHue"])
def test_layers_of_keras_cv_work_by_import_path(name):
    import tensorflow as tf

    keras.utils.set_random_seed(0)  # its layers draw from the global generator; a run sets it with the encoder
    arguments = {"value_range": [0, 255]} | ({"factor": 0.3} if name == "RandomHue" else {})
    layer = build_augmentation([{f"keras_cv.layers.{name}": arguments}], seed=1)
    augmented = tf.function(lambda pixels: layer(pixels, training=True))(images()).numpy()
    assert augmented.shape == images().shape
    assert augmented.dtype == np.float32
    assert 0 <= augmented.min() <= augmented.max() <= 255
    assert not np.array_equal(augmented, images())
