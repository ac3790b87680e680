"""Encoders with Keras's own layers, to hold magsig's against; named by import path."""

from __future__ import annotations


def efficientnet_lite0(input_shape: tuple[int, int, int], weights: str = "none"):
    """Return magsig's EfficientNet-Lite0 with Keras's batch normalization and depthwise convolution."""
    from magsig_tf.models.encoders.efficientnet_lite import efficientnet_lite0

    return _with_stock_layers(efficientnet_lite0(input_shape, weights))


def resnet50(input_shape: tuple[int, int, int], weights: str = "none"):
    """Return magsig's ResNet-50 with Keras's batch normalization."""
    from magsig_tf.models.encoders.keras_applications import resnet50

    return _with_stock_layers(resnet50(input_shape, weights))


def small_cnn(input_shape: tuple[int, int, int], weights: str = "none"):
    """Return magsig's small network with Keras's batch normalization."""
    from magsig_tf.models.encoders import small_cnn

    return _with_stock_layers(small_cnn.build(input_shape, weights))


def mobilenetv2(input_shape: tuple[int, int, int], weights: str = "none"):
    """Return MobileNetV2 as keras.applications builds it."""
    return fused_mobilenetv2(input_shape, weights)


def fused_mobilenetv2(input_shape: tuple[int, int, int], weights: str = "none"):
    """Return the same network, which `build_encoder` may speed up."""
    import keras

    pixels = keras.Input(input_shape, dtype="float32")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(pixels)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_tensor=scaled)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D(dtype="float32")(network.output))


for _stock in (efficientnet_lite0, resnet50, small_cnn, mobilenetv2):
    _stock.fuse = False


def _with_stock_layers(model):
    from magsig_tf.models.fuse import swap_batch_normalization, swap_depthwise_convolution

    return swap_depthwise_convolution(swap_batch_normalization(model, fused=False), quick=False)
