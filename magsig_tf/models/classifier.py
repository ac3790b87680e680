"""What an encoder becomes: with heads on top, with a layer put into it, or in part frozen while the rest is trained."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras

from magsig_tf.errors import UsageError
from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.seeding import seed_for

OFFERED = 8
"""Layers or blocks that are named where there is none of the name that was asked for."""


def build_classifier(encoder: keras.Model, dropout: float, seed: int) -> keras.Model:
    """Return the classifier: pixels, or the embedding of another model, -> embedding and logit.

    Args:
        encoder: Model named `encoder` from pixels 0..255, or embeddings, to embeddings [batch, p] (see
            `build_encoder`).
        dropout: Share of the embedding dropped in front of the label head while training, in [0, 1).
        seed: The run's seed; the head's first weights depend on it alone.

    Returns:
        A functional model named `classifier`. Its output is a dictionary: `embedding` [batch, p], without dropout, and
        `logit` [batch, 1] of malignant, both float32 under every precision policy. The encoder is the layer `encoder`.
    """
    shape = encoder.input_shape[1:]
    inputs = keras.Input(shape, dtype="float32", name="pixels" if len(shape) > 1 else "features")
    embedding = keras.layers.Activation("linear", dtype="float32", name="embedding")(encoder(inputs))
    drawn = seed_for("dropout", "label head", seed)
    x = keras.layers.Dropout(dropout, seed=drawn, dtype="float32", name="dropout")(embedding)
    kernel = keras.initializers.GlorotUniform(seed=seed_for("initialisation", "label head", seed))
    logit = keras.layers.Dense(1, kernel_initializer=kernel, dtype="float32", name="logit")(x)
    return keras.Model(inputs, {"embedding": embedding, "logit": logit}, name="classifier")


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
    changed = _called(encoder, lambda each, outputs: layer(outputs) if each is place else outputs, {})
    return _called(classifier, lambda each, outputs: outputs, {encoder: changed})


def _called(
    model: keras.Model,
    after: Callable[[keras.layers.Layer, Any], Any],
    replaced: Mapping[keras.layers.Layer, keras.layers.Layer],
) -> keras.Model:
    """Return a model of the same layers, called once more; `after` gets each layer and its outputs."""

    def call(layer: keras.layers.Layer, *arguments: Any, **keywords: Any) -> Any:
        return after(layer, layer(*arguments, **keywords))

    copy = keras.models.clone_model(model, clone_function=lambda layer: replaced.get(layer, layer), call_function=call)
    copy.name = model.name
    return copy


def freeze(encoder: keras.Model, until: str = "", batch_statistics: bool = False) -> None:
    """Freeze layers of an encoder and batch statistics, in place.

    Args:
        encoder: A built model.
        until: Layers up to and including this one keep their weights and batch statistics: a layer's name, or the
            beginning of the names of a block, such as `conv4` or `block_12`. Empty: none.
        batch_statistics: All batch normalization uses and keeps its moving statistics; its scale and offset are
            trained nevertheless, except up to `until`.

    Raises:
        UsageError: no layer is or begins so; the message names the nearest, or some from input to embedding.
    """
    for layer in layers_until(encoder, until) if until else []:
        layer.trainable = False
    if batch_statistics:
        for layer in encoder._flatten_layers():
            if hasattr(layer, "moving_mean") and layer.trainable:
                # Keras has one switch for statistics and weights; what a model trains is asked of the variables
                layer.trainable = False
                for weight in layer._trainable_variables:
                    weight.trainable = True


def layers_until(model: keras.Model, block: str) -> list[keras.layers.Layer]:
    """Return a model's layers up to and including a layer or block, in the order of the network.

    Args:
        model: Functional or sequential; where its own layers do not have the name, nested models are searched.
        block: A layer's whole name, or the beginning of some names, ending where a word or a number ends: `conv1` is no
            beginning of `conv10_relu`, and `block4` is one of `block4a_expand_conv`.

    Raises:
        UsageError: as in `freeze`.
    """
    found = _layers_until(model, block)
    if not found:
        raise UsageError(
            "Expected a layer or block of the encoder for --freeze-until", f"found {block!r}", _offer(model, block)
        )
    return found


def trained_weights(model: keras.Model) -> tuple[int, int]:
    """Return how many numbers training changes by gradients, and how many it could.

    Args:
        model: A built model. Batch statistics, which no gradient changes, are not counted.
    """
    normalizing = [layer for layer in model._flatten_layers() if hasattr(layer, "moving_mean")]
    statistics = {id(each) for layer in normalizing for each in (layer.moving_mean, layer.moving_variance)}
    could = [weight for weight in model.weights if id(weight) not in statistics]
    return _count(model.trainable_weights), _count(could)


def _count(weights: list[keras.Variable]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _layers_until(model: keras.Model, block: str) -> list[keras.layers.Layer]:
    layers = model.layers
    names = [layer.name for layer in layers]
    of_block = [place for place, name in enumerate(names) if block in _beginnings(name)]
    if of_block:
        return layers[: 1 + (names.index(block) if block in names else of_block[-1])]
    for place, layer in enumerate(layers):
        inner = _layers_until(layer, block) if isinstance(layer, keras.Model) else []
        if inner:
            return [*layers[:place], *inner]
    return []


def _offer(model: keras.Model, block: str) -> str:
    names = _names(model)
    near = difflib.get_close_matches(block, sorted(set().union(*map(_beginnings, names))), n=OFFERED)
    if near:
        return f"The nearest are {', '.join(near)}"
    places = sorted({round(number * (len(names) - 1) / (OFFERED - 1)) for number in range(OFFERED)})
    return f"Some, from the input on: {', '.join(names[place] for place in places)}"


def _names(model: keras.Model) -> list[str]:
    """Return the names of the layers that have weights, in order, those of nested models in their place."""
    found = []
    for layer in model.layers:
        if layer.weights:
            found += [layer.name, *(_names(layer) if isinstance(layer, keras.Model) else [])]
    return found


def _beginnings(name: str) -> set[str]:
    """Return a name's beginnings that end where a word or a number ends, the whole name among them.

    A word whose number follows is none: `stage` of stage_0_norm would mean all stages. A letter that numbers the parts
    of a block counts as a word (block4a_norm), unless a number follows: Keras names layers so by itself (conv2d_7).
    """
    ends = [match.start() for match in re.finditer(r"(?<=\d)_|_(?!\d)|(?<=\d)(?=[a-z]_(?!\d))", name)]
    return {name, *(name[:end] for end in ends if end)}
