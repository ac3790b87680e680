"""Inception-ResNet-v2 of keras.applications."""

from __future__ import annotations

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.imagenet_preprocessing import scaling_to_one
from magsig_tf.models.keras_application import keras_application


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return Inception-ResNet-v2 without its label head: pixels 0..255 -> embedding of length 1536.

    Args:
        input_shape: Height, width, 3; any size from 75 up, the weights were trained at 299.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    constructor = keras.applications.InceptionResNetV2
    return keras_application("inception_resnet_v2", constructor, input_shape, weights, scaling_to_one(), smallest=75)
