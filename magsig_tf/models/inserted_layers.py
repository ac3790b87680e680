"""Put a layer into a network that stands, without making another network of it."""

from __future__ import annotations

import keras

from magsig_tf.errors import UsageError
from magsig_tf.models.freezing import layers_until


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
