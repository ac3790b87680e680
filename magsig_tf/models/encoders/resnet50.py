"""ResNet-50 of keras.applications."""

from __future__ import annotations

import keras

from magsig_tf.models.encoders.weight_choice import encoder
from magsig_tf.models.keras_application import keras_application
from magsig_tf.models.layers.caffe_preprocessing import CaffePreprocessing


@encoder(default_weights="imagenet")
def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return ResNet-50 without its label head: pixels 0..255 -> embedding of length 2048.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (from Keras's cache folder or the network) or `none`.

    Raises:
        UsageError: the weights are neither in the cache nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    preprocessing = CaffePreprocessing(dtype="float32", name="preprocessing")
    return keras_application("resnet50", keras.applications.ResNet50, input_shape, weights, preprocessing)
