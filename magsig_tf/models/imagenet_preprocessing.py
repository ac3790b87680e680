"""The two scalings of pixels that most ImageNet weights were trained with, as Keras's own layers."""

from __future__ import annotations

import keras

# mean and SD of red, green, blue over ImageNet, of pixels 0..1, as in keras.applications.imagenet_utils (mode "torch")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


def scaling_to_one() -> keras.layers.Layer:
    """Return the layer from pixels 0..255 to -1..1 (keras.applications calls this mode "tf")."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="preprocessing")


def imagenet_standardization() -> keras.layers.Layer:
    """Return the layer from pixels 0..255 to ImageNet's zero mean and unit variance per colour (mode "torch")."""
    return keras.layers.Normalization(
        mean=[255 * mean for mean in IMAGENET_MEAN],
        variance=[(255 * deviation) ** 2 for deviation in IMAGENET_SD],
        dtype="float32",  # a mixed policy would round the pixels before it subtracts
        name="preprocessing",
    )
