"""An encoder without batch statistics, for comparisons between numbers of replicas."""

import keras


def build(input_shape: tuple[int, int, int], weights: str) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255, dtype="float32")(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv0")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(dtype="float32")(x))
