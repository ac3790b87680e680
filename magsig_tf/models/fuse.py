"""Swap layers that Keras computes slowly on TensorFlow for ours with the same weights, in any graph of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras

from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D, DepthwiseGroups
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization


def swap_batch_normalization(model: keras.Model, fused: bool = True) -> keras.Model:
    """Return the same model, weights included, with its batch normalization fused (or unfused again).

    Args:
        model: A functional or sequential model; nested ones are swapped too.
        fused: Swap Keras's own layers for fused ones; False for the way back.

    Returns:
        A new model with the same names, configuration and weights, or `model` itself where there is nothing to swap:
        no layer of the kind, or a subclassed model, which only its author's code can rebuild. Layers hidden inside a
        composite layer and subclasses of Keras's layer stay as they are, and so do synchronized ones.
    """
    old, new = keras.layers.BatchNormalization, FusedBatchNormalization
    if not fused:
        old, new = new, old
    return _swapped(model, lambda layer: type(layer) is old and not layer.synchronized, new)


def synchronize_batch_normalization(model: keras.Model) -> keras.Model:
    """Return the same model, weights included, with batch statistics taken over all replicas of a strategy.

    Args:
        model: As for `swap_batch_normalization`.

    Returns:
        A new model with Keras's own synchronized layer, which is unfused, in place of both kinds, or `model` itself
        where there is nothing to swap.
    """
    return _swapped(
        model,
        lambda layer: type(layer) in (keras.layers.BatchNormalization, FusedBatchNormalization),
        keras.layers.BatchNormalization,
        synchronized=True,
    )


def swap_grouped_convolution(model: keras.Model, depthwise: bool = True) -> keras.Model:
    """Return the same model with its convolutions of one group a channel on the depthwise kernel (or back again).

    Args:
        model: As in `swap_batch_normalization`; built.
        depthwise: Swap Keras's own layers; False for the way back.

    Returns:
        As in `swap_batch_normalization`.
    """
    if depthwise:
        return _swapped(model, DepthwiseGroups.serves, DepthwiseGroups)
    return _swapped(model, lambda layer: type(layer) is DepthwiseGroups, keras.layers.Conv2D)


def swap_depthwise_convolution(model: keras.Model, quick: bool = True) -> keras.Model:
    """Return the same model with quicker gradients of its depthwise convolutions, where there are any (or back again).

    Args:
        model: As in `swap_batch_normalization`.
        quick: Swap Keras's own layers for ours; False for the way back.

    Returns:
        As in `swap_batch_normalization`.
    """
    old = keras.layers.DepthwiseConv2D
    if quick:
        return _swapped(model, lambda layer: type(layer) is old and DepthwiseConv2D.serves(layer), DepthwiseConv2D)
    return _swapped(model, lambda layer: type(layer) is DepthwiseConv2D, old)


def _swapped(
    model: keras.Model, chosen: Callable[[keras.layers.Layer], bool], new: type[keras.layers.Layer], **changes: object
) -> keras.Model:
    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if chosen(layer):
            return new.from_config(layer.get_config() | changes)
        return type(layer).from_config(layer.get_config())

    if not _is_graph(model) or not any(chosen(layer) for layer in _flat(model)):
        return model
    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _is_graph(model: keras.layers.Layer) -> bool:
    return isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"


def _flat(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield from _flat(layer) if _is_graph(layer) else (layer,)
