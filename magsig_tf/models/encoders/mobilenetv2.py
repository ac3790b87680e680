"""MobileNetV2 of keras.applications."""

from __future__ import annotations

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.imagenet_preprocessing import scaling_to_one
from magsig_tf.models.keras_application import keras_application


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return MobileNetV2 without its label head: pixels 0..255 -> embedding of length 1280.

    Args:
        input_shape: Height, width, 3; any size from 32 up. There are weights for 96, 128, 160, 192 and 224; images of
            another size get those for 224.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    constructor = keras.applications.MobileNetV2
    return keras_application("mobilenetv2", constructor, input_shape, weights, scaling_to_one())
