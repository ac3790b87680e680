"""A small convolutional network for the phantom and for tests: 108 thousand parameters, embedding of length 128."""

from __future__ import annotations

import keras
from keras import layers

from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization

# filters, kernel, stride, pooling of each block
BLOCKS = ((24, 3, 2, 1), (48, 3, 1, 2), (64, 3, 1, 2), (96, 3, 1, 1), (128, 1, 1, 1))


def build(input_shape: tuple[int, int, int], weights: str = "none") -> keras.Model:
    """Return the small network: pixels 0..255 -> embedding of length 128.

    Args:
        input_shape: Height, width, 3; made for 64 x 64.
        weights: `none`; there are no others but your own file.

    Raises:
        UsageError: other weights were asked for.
    """
    return _small_cnn(input_shape, weights, FusedBatchNormalization, dropout=0.0)


def build_with_dropout(input_shape: tuple[int, int, int], weights: str = "none") -> keras.Model:
    """Return the small network with dropout in every block and Keras's own, unfused batch normalization.

    The hard case for a resumed run: it must repeat every random draw and every bit of the composed normalization.
    """
    return _small_cnn(input_shape, weights, layers.BatchNormalization, dropout=0.1)


vars(build_with_dropout)["fuse"] = False  # so that `build_encoder` leaves Keras's own layers


def _small_cnn(
    input_shape: tuple[int, int, int], weights: str, normalization: type[keras.layers.Layer], dropout: float
) -> keras.Model:
    check_weight_choice("small_cnn", weights, ("none",))
    inputs = keras.Input(input_shape, dtype="float32", name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="preprocessing")(inputs)
    for number, (filters, kernel, stride, pooling) in enumerate(BLOCKS):
        x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=f"conv{number}")(x)
        # runs are short: a momentum of 0.99 would leave the moving statistics at their start for the first epochs
        x = normalization(momentum=0.9, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        if pooling > 1:
            x = layers.MaxPooling2D(pooling, name=f"maximum{number}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return keras.Model(inputs, x, name="small_cnn")
