"""The classifier and the domain head: outputs, precision, seeds, save and load."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from magsig_tf.models.classifier import build_classifier, build_domain_head
from magsig_tf.models.encoders.small_cnn import build, build_with_dropout
from magsig_tf.models.saved_model import load_saved_model

SHAPE = (16, 16, 3)


def images(count=3):
    return np.random.default_rng(0).uniform(0, 255, (count, *SHAPE)).astype("float32")


@pytest.mark.parametrize("builder", [build, build_with_dropout])
def test_outputs_and_the_round_trip_through_a_file(builder, tmp_path):
    encoder = builder(SHAPE)
    encoder.name = "encoder"
    model = build_classifier(encoder, dropout=0.5, seed=1)
    model(images(8), training=True)  # moving statistics leave their start
    outputs = model(images())
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {"embedding": (3, 128), "logit": (3, 1)}
    np.testing.assert_array_equal(outputs["embedding"], encoder(images()))
    model.save(tmp_path / "model.keras")
    loaded = load_saved_model(tmp_path / "model.keras")
    assert loaded.get_layer("encoder").output_shape == (None, 128)
    for name in ("embedding", "logit"):
        np.testing.assert_array_equal(loaded(images())[name], outputs[name])


def test_dropout_acts_on_the_label_head_only():
    model = build_classifier(build(SHAPE), dropout=0.5, seed=1)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layer.trainable = False  # batch statistics frozen: the embedding is repeatable
    first, second = model(images(), training=True), model(images(), training=True)
    np.testing.assert_array_equal(first["embedding"], second["embedding"])
    assert not np.array_equal(first["logit"], second["logit"])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_heads_are_float32_under_a_mixed_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build_classifier(build(SHAPE), dropout=0.1, seed=0)
        head = build_domain_head(128, 3, 8, seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    outputs = model(images(), training=True)
    assert outputs["embedding"].dtype == outputs["logit"].dtype == tf.float32
    assert head(outputs["embedding"]).dtype == tf.float32


def test_first_weights_of_the_heads_depend_on_the_seed_only():
    def weights(seed):
        classifier, head = build_classifier(build(SHAPE), 0.1, seed), build_domain_head(128, 3, 8, seed)
        return [classifier.get_layer("logit").kernel.numpy(), *[w.numpy() for w in head.trainable_weights]]

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim == 2)


def test_reversal_turns_the_gradient_of_the_domain_head():
    plain, reversing = (build_domain_head(4, 3, 8, seed=0, reversal=reversal) for reversal in (False, True))
    reversing.get_layer("reversal").strength.assign(0.5)
    embedding = tf.constant(np.random.default_rng(0).normal(size=(5, 4)), tf.float32)

    def gradient(head):
        with tf.GradientTape() as tape:
            tape.watch(embedding)
            loss = tf.reduce_sum(tf.nn.log_softmax(head(embedding))[:, 0])
        return tape.gradient(loss, embedding).numpy()

    np.testing.assert_array_equal(gradient(reversing), -0.5 * gradient(plain))
    assert build_domain_head(4, 3, 8, seed=0)(embedding).shape == (5, 3)
