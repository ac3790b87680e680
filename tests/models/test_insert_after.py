"""A layer put into a standing classifier shares everything with the classifier without it."""

import keras
import numpy as np
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.models.augmentation import seed_generators
from magsig_tf.models.classifier import build_classifier, insert_after
from magsig_tf.models.encoders import build_encoder

PIXELS = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)


class Shifting(keras.layers.Layer):
    def call(self, inputs, training=False):
        return inputs + 1.0 if training else inputs


def classifier_of(encoder="magsig_tf.models.encoders.small_cnn:build_with_dropout"):
    return build_classifier(build_encoder(encoder, (32, 32, 3), "none", 0), 0.2, 0)


@pytest.mark.parametrize("encoder", ["small_cnn", "mobilenetv2", "tests.models.test_insert_after:branching"])
def test_weights_and_names_are_the_same_and_the_layer_works_in_training_alone(encoder):
    plain = classifier_of(encoder)
    before = plain(PIXELS, training=False)
    block = {"small_cnn": "conv1", "mobilenetv2": "block_3"}.get(encoder, "branch")
    changed = insert_after(plain, block, Shifting(name="shifting"))
    assert [id(each) for each in plain.weights] == [id(each) for each in changed.weights]
    assert "shifting" in [layer.name for layer in changed.get_layer("encoder").layers]
    assert {layer.name for layer in plain.layers} == {layer.name for layer in changed.layers}
    for name, value in before.items():
        np.testing.assert_array_equal(value, plain(PIXELS, training=False)[name])
        np.testing.assert_allclose(value, changed(PIXELS, training=False)[name], rtol=1e-6)
    layers = changed.get_layer("encoder").layers
    for layer in layers:
        if hasattr(layer, "moving_mean"):
            layer.trainable = False
    apart = np.abs(changed(PIXELS, training=True)["embedding"] - before["embedding"]).max()
    assert apart > 1e-3 * np.abs(before["embedding"]).max()


def branching(input_shape, weights):
    inputs = keras.Input(input_shape)
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    first = keras.layers.Conv2D(4, 3, padding="same", name="branch")(scaled)
    second = keras.layers.Conv2D(4, 1, name="other")(scaled)
    x = keras.layers.Add()([first, second, keras.layers.ReLU()(first)])
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def nested(input_shape, weights):
    inputs = keras.Input(input_shape)
    inner = keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(4, 3, name="within")])
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inner(inputs)))


def sequential(input_shape, weights):
    layers = [keras.Input(input_shape), keras.layers.Conv2D(4, 3, name="within"), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential(layers)


def test_the_classifier_without_it_can_be_saved_and_needs_no_class_of_it(tmp_path):
    plain = classifier_of()
    changed = insert_after(plain, "conv0", Shifting())
    plain.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert "Shifting" not in [type(layer).__name__ for layer in loaded.get_layer("encoder").layers]
    found, wanted = loaded(PIXELS, training=False), changed(PIXELS, training=False)
    np.testing.assert_allclose(found["logit"], wanted["logit"], rtol=1e-5)


def test_generators_of_the_plain_classifier_come_first_in_their_order():
    plain = classifier_of()
    alone = seed_generators(plain)
    changed = insert_after(plain, "conv0", keras.layers.Dropout(0.5))
    assert [id(each) for each in seed_generators(plain, changed)][: len(alone)] == [id(each) for each in alone]
    assert len(seed_generators(plain, changed)) == len(alone) + 1


@pytest.mark.parametrize(
    ("encoder", "block", "said"),
    [
        ("small_cnn", "conv9", "found 'conv9'"),
        ("tests.models.test_insert_after:nested", "within", "in a nested network"),
        ("tests.models.test_insert_after:sequential", "within", "in a Sequential"),
    ],
)
def test_where_it_cannot_be_put_is_said(encoder, block, said):
    with pytest.raises(UsageError, match=said):
        insert_after(classifier_of(encoder), block, Shifting())
