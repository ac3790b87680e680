"""Keep a part of an encoder, or the statistics of its batch normalization, as they are while the rest is trained."""

from __future__ import annotations

import difflib
import math
import re

import keras

from magsig_tf.errors import UsageError

OFFERED = 8


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
    statistics = {
        id(variable)
        for layer in model._flatten_layers()
        if hasattr(layer, "moving_mean")
        for variable in (layer.moving_mean, layer.moving_variance)
    }
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
    return [
        name
        for layer in model.layers
        if layer.weights
        for name in ([layer.name, *_names(layer)] if isinstance(layer, keras.Model) else [layer.name])
    ]


def _beginnings(name: str) -> set[str]:
    """Return a name's beginnings that end where a word or a number ends, the whole name among them.

    A word whose number follows is none: `stage` of stage_0_norm would mean all stages. A letter that numbers the parts
    of a block counts as a word (block4a_norm), unless a number follows: Keras names layers so by itself (conv2d_7).
    """
    ends = [match.start() for match in re.finditer(r"(?<=\d)_|_(?!\d)|(?<=\d)(?=[a-z]_(?!\d))", name)]
    return {name, *(name[:end] for end in ends if end)}
