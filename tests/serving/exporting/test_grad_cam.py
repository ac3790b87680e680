"""Grad-CAM against a model that is worked by hand, and its sanity check."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from magsig_tf.errors import DataError


def hand_made_classifier(kernel, head, pooling="average"):
    """Return a classifier of one 1 x 1 convolution over 2 x 2 pixels, pooling and a head, with given weights."""
    import keras

    from magsig_tf.models.classifier import build_classifier

    pixels = keras.Input((2, 2, 3), dtype="float32")
    maps = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name="only")(pixels)
    pools = {"average": keras.layers.GlobalAveragePooling2D, "maximum": keras.layers.GlobalMaxPooling2D}
    encoder = keras.Model(pixels, pools[pooling]()(maps), name="encoder")
    classifier = build_classifier(encoder, dropout=0.5, seed=0)
    encoder.get_layer("only").set_weights([np.array(kernel, np.float32).reshape(1, 1, 3, 2)])
    classifier.get_layer("logit").set_weights([np.array(head, np.float32).reshape(2, 1), np.array([0.5], np.float32)])
    return classifier


PIXELS = np.array([[[1, 0, 0], [0, 2, 0]], [[3, 1, 0], [0, 0, 5]]], np.float32)[np.newaxis]
# maps after the activation: the first is red, the second is green minus blue
KERNEL = [[1, 0], [0, 1], [0, -1]]


def test_an_average_is_worked_by_hand(tensorflow):
    from magsig_tf.serving.exporting.served_model import GradCam

    maps, logit = GradCam(hand_made_classifier(KERNEL, [2, -1]))(tensorflow.constant(PIXELS))
    # logit = 0.5 + 2 mean(red) - mean(relu(green - blue)) = 0.5 + 2 - 0.75; d logit / d map = 2/4 and -1/4 everywhere;
    # weights 0.5 and -0.25: 0.5 * [[1, 0], [3, 0]] - 0.25 * [[0, 2], [1, 0]] = [[0.5, -0.5], [1.25, 0]]
    np.testing.assert_allclose(logit, [[1.75]], rtol=1e-6)
    np.testing.assert_allclose(maps, [[[0.4, 0.0], [1.0, 0.0]]], atol=1e-6)


def test_a_maximum_sends_its_gradient_to_one_place(tensorflow):
    from magsig_tf.serving.exporting.served_model import GradCam

    maps, logit = GradCam(hand_made_classifier(KERNEL, [2, 3], "maximum"))(tensorflow.constant(PIXELS))
    # logit = 0.5 + 2 * 3 + 3 * 2; mean gradients 2/4 and 3/4: 0.5 red + 0.75 green = [[0.5, 1.5], [2.25, 0]]
    np.testing.assert_allclose(logit, [[12.5]], rtol=1e-6)
    np.testing.assert_allclose(maps, [[[0.5 / 2.25, 1.5 / 2.25], [1.0, 0.0]]], atol=1e-6)


def test_where_nothing_speaks_for_malignant_the_map_is_zero(tensorflow):
    from magsig_tf.serving.exporting.served_model import GradCam

    maps, _ = GradCam(hand_made_classifier(KERNEL, [-2, -1]))(tensorflow.constant(PIXELS))
    assert not maps.numpy().any()


def test_a_frozen_encoder_is_explained_as_well(tensorflow):
    from magsig_tf.serving.exporting.served_model import GradCam

    classifier = hand_made_classifier(KERNEL, [2, -1])
    classifier.trainable = False
    np.testing.assert_allclose(GradCam(classifier)(tensorflow.constant(PIXELS))[0][0, 1, 0], 1.0)


@pytest.mark.parametrize(
    ("name", "step", "kind"),
    [
        ("small_cnn", "relu4", "ReLU"),
        ("resnet50", "conv5_block3_out", "Activation"),
        ("mobilenetv2", "out_relu", "ReLU"),
        ("convnext_tiny", "", "Add"),  # of branch and shortcut, which is none of its layers
    ],
)
def test_the_last_map_is_what_the_pooling_sees(name, step, kind, tensorflow):
    from magsig_tf.models.encoders.build_encoder import build_encoder
    from magsig_tf.serving.exporting.served_model import last_map

    encoder = build_encoder(name, (64, 64, 3), "none", 0)
    found = last_map(encoder)
    assert found.name.startswith(step)
    assert type(found).__name__ == kind
    assert tuple(found.output.shape[1:3]) != (1, 1)


def test_an_encoder_without_places_is_refused(tensorflow):
    import keras

    from magsig_tf.serving.exporting.served_model import last_map

    pixels = keras.Input((8, 8, 3))
    with pytest.raises(DataError, match="Expected an encoder with a convolution"):
        last_map(keras.Model(pixels, keras.layers.Dense(4)(keras.layers.Flatten()(pixels)), name="encoder"))


def test_random_weights_give_another_map(study, tensorflow):
    """The model parameter randomisation test of Adebayo et al., NeurIPS 2018: maps must depend on what was learned."""
    import keras

    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.serving.exporting.served_model import GradCam

    def maps_of(classifier):
        pixels = tensorflow.constant(study.prepared.images[:24], tensorflow.float32)
        return GradCam(classifier)(pixels)[0].numpy().reshape(24, -1)

    trained = load_saved_model(study.folder / "model.keras")
    keras.utils.set_random_seed(0)
    untrained = keras.models.clone_model(trained)
    first, again, other = maps_of(trained), maps_of(load_saved_model(study.folder / "model.keras")), maps_of(untrained)
    np.testing.assert_array_equal(first, again)
    rank = [spearmanr(one, two).statistic for one, two in zip(first, other, strict=True) if one.any() and two.any()]
    assert len(rank) >= 6, "too few images with two maps to compare"
    assert abs(np.median(rank)) < 0.5
