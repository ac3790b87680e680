"""Encoders whose moving statistics arrive slowly, as those of pretrained networks do; named by import path.

`NAME_99` and `NAME_999` are magsig's own encoder NAME without weights and with that momentum in every batch norm.
`pretrained_like` has a momentum of .99 and embeddings as large as those of a pretrained network.
"""

import keras

from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.registry import registry

ENCODERS = {
    "small_cnn": 32,
    "mobilenetv2": 32,
    "efficientnet_lite0": 32,
    "efficientnetv2b0": 32,
    "densenet121": 32,
    "resnet50": 32,
    "inception_resnet_v2": 75,
}
"""Every encoder with batch norm, and the least image size it takes."""


def _slowed(name, momentum):
    def build(input_shape, weights):
        model = registry("encoders").load(name)(input_shape, weights)
        for layer in model._flatten_layers():
            if hasattr(layer, "moving_mean"):
                layer.momentum = momentum
        return model

    build.default_weights = "none"
    return build


for _name in ENCODERS:
    globals()[f"{_name}_99"] = _slowed(_name, 0.99)
    globals()[f"{_name}_999"] = _slowed(_name, 0.999)


def pretrained_like(input_shape, weights):
    """Return a small network with a momentum of .99 whose embedding has a norm of about 20."""
    inputs = keras.Input(input_shape, name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="preprocessing")(inputs)
    for number, filters in enumerate((24, 48, 128)):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = FusedBatchNormalization(momentum=0.99, name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return keras.Model(inputs, keras.layers.Rescaling(4.0, dtype="float32", name="large")(x))
