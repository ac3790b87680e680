"""EfficientNetV2-B0 of keras.applications."""

from __future__ import annotations

import functools

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.imagenet_preprocessing import imagenet_standardization
from magsig_tf.models.keras_application import keras_application


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return EfficientNetV2-B0 without its label head: pixels 0..255 -> embedding of length 1280.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    constructor = functools.partial(keras.applications.EfficientNetV2B0, include_preprocessing=False)
    return keras_application("efficientnetv2b0", constructor, input_shape, weights, imagenet_standardization())
