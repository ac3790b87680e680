"""DenseNet-121 of keras.applications."""

from __future__ import annotations

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.imagenet_preprocessing import imagenet_standardization
from magsig_tf.models.keras_application import keras_application


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return DenseNet-121 without its label head: pixels 0..255 -> embedding of length 1024.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    constructor = keras.applications.DenseNet121
    return keras_application("densenet121", constructor, input_shape, weights, imagenet_standardization())
