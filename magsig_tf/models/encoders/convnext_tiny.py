"""ConvNeXt-Tiny of keras.applications."""

from __future__ import annotations

import functools

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.fuse import swap_grouped_convolution
from magsig_tf.models.imagenet_preprocessing import imagenet_standardization
from magsig_tf.models.keras_application import without_top

NAME = "convnext_tiny"


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return ConvNeXt-Tiny without its label head: pixels 0..255 -> embedding of length 768.

    The embedding is pooled before the last normalization, as the published network does it (Liu et al. 2022, and
    `pooling="avg"` in Keras); its batches leave no statistics behind, since there is no batch normalization.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    constructor = functools.partial(keras.applications.ConvNeXtTiny, include_preprocessing=False)
    pixels, network = without_top(NAME, constructor, input_shape, weights, imagenet_standardization())
    last = network.layers[-1]
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(last.input)
    norm = keras.layers.LayerNormalization(epsilon=last.epsilon, dtype="float32", name="norm")
    model = keras.Model(pixels, norm(pooled), name=NAME)
    norm.set_weights(last.get_weights())
    for layer in model._flatten_layers():
        layer.name = layer.name.removeprefix(f"{NAME}_")  # so that --freeze-until stage_1 finds its layers
    return swap_grouped_convolution(model)
