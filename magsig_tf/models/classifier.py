"""An encoder with the benign/malignant head on top, the domain head, and how to put a layer into an encoder."""

from __future__ import annotations

import keras

from magsig_tf.errors import UsageError
from magsig_tf.models.freezing import layers_until
from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.seeding import seed_for


def build_classifier(encoder: keras.Model, dropout: float, seed: int) -> keras.Model:
    """Return the classifier: pixels -> embedding and logit.

    Args:
        encoder: Model named `encoder` from pixels 0..255 to embeddings [batch, p] (see `build_encoder`).
        dropout: Share of the embedding dropped in front of the label head while training, in [0, 1).
        seed: The run's seed; the head's first weights depend on it alone.

    Returns:
        A functional model named `classifier`. Its output is a dictionary: `embedding` [batch, p], without dropout, and
        `logit` [batch, 1] of malignant, both float32 under every precision policy. The encoder is the layer `encoder`.
    """
    pixels = keras.Input(encoder.input_shape[1:], dtype="float32", name="pixels")
    embedding = keras.layers.Activation("linear", dtype="float32", name="embedding")(encoder(pixels))
    drawn = seed_for("dropout", "label head", seed)
    x = keras.layers.Dropout(dropout, seed=drawn, dtype="float32", name="dropout")(embedding)
    kernel = keras.initializers.GlorotUniform(seed=seed_for("initialisation", "label head", seed))
    logit = keras.layers.Dense(1, kernel_initializer=kernel, dtype="float32", name="logit")(x)
    return keras.Model(pixels, {"embedding": embedding, "logit": logit}, name="classifier")


def build_domain_head(
    embedding_length: int, domains: int, hidden: int, seed: int, reversal: bool = True, normalized: bool = False
) -> keras.Model:
    """Return a two-layer perceptron from embeddings to one logit a source magnification.

    Args:
        embedding_length: p, the embedding's length.
        domains: Number of source magnifications, >= 2.
        hidden: Units of each of the two hidden layers.
        seed: The run's seed; the first weights depend on it alone.
        reversal: Put a `GradientReversal` in front: the layer named `reversal`, strength 0 until it is assigned.
        normalized: Bring each embedding to mean 0 and variance 1 first, without scale and offset of its own.

    Returns:
        A functional model named `domain_head`, [batch, p] -> [batch, domains], float32 under every precision policy.
    """
    embedding = keras.Input((embedding_length,), dtype="float32", name="embedding")
    x = embedding
    if reversal:
        x = GradientReversal(strength=0.0, dtype="float32", name="reversal")(x)
    if normalized:
        x = keras.layers.LayerNormalization(center=False, scale=False, dtype="float32", name="normalization")(x)
    for number in range(2):
        kernel = keras.initializers.HeUniform(seed=seed_for("initialisation", "domain head", number, seed))
        layer = keras.layers.Dense(hidden, "relu", kernel_initializer=kernel, dtype="float32", name=f"hidden{number}")
        x = layer(x)
    kernel = keras.initializers.GlorotUniform(seed=seed_for("initialisation", "domain head", "logits", seed))
    logits = keras.layers.Dense(domains, kernel_initializer=kernel, dtype="float32", name="domain_logits")(x)
    return keras.Model(embedding, logits, name="domain_head")


def insert_after(classifier: keras.Model, block: str, layer: keras.layers.Layer) -> keras.Model:
    """Return the classifier with a layer behind one layer or block of its encoder.

    The layers of the two are the same objects, with the same names and weights; the given classifier goes on to work
    without the new one.

    Args:
        classifier: From `build_classifier`.
        block: A layer's name, or the beginning of the names of a block, as for `--freeze-until`.
        layer: From [batch, ...] to the same shape; changes nothing outside training.

    Raises:
        UsageError: the encoder is no functional model, or has no such layer, or it lies in a nested network.
    """
    encoder = classifier.get_layer("encoder")
    place = layers_until(encoder, block)[-1]
    if type(encoder).__name__ != "Functional" or place not in encoder.layers:
        where = "a nested network" if place not in encoder.layers else f"a {type(encoder).__name__}"
        raise UsageError(
            f"Expected a layer of a functional encoder's own graph to put {layer.name} behind",
            f"found {block!r} in {where}",
            "Choose another block or encoder",
        )
    changed = _called(encoder, lambda each, outputs: layer(outputs) if each is place else outputs)
    return _called(classifier, lambda each, outputs: outputs, {encoder: changed})


def _called(model, after, replaced=None):
    """Return a model of the same layers, called once more; `after` gets each layer and its outputs."""
    replaced = replaced or {}

    def call(layer, *arguments, **keywords):
        return after(layer, layer(*arguments, **keywords))

    copy = keras.models.clone_model(model, clone_function=lambda layer: replaced.get(layer, layer), call_function=call)
    copy.name = model.name
    return copy
