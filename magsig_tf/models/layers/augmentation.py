"""Augmentation layers in a row, between pixels 0..255 and pixels 0..255."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="magsig")
class Augmentation(keras.layers.Layer):
    """Apply layers one after the other in float32 and clip the result to 0..255.

    Args:
        steps: Layers that take and return [batch, height, width, channels]; none at all is the identity.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        images: [batch, height, width, channels], pixels 0..255, uint8 or floating point.
        training: Passed on; False makes random layers the identity.
    """

    def __init__(self, steps: Sequence[keras.layers.Layer] = (), **kwargs):
        # augmented pixels are not whole numbers: bfloat16 would round them to whole levels
        super().__init__(**{"dtype": "float32", **kwargs})
        self.steps = list(steps)

    def build(self, input_shape):
        """Nothing depends on the input's shape; the steps build themselves when first called."""

    def call(self, images, training=True):
        """Return the augmented images, float32 in 0..255."""
        images = tf.cast(images, tf.float32)
        for step in self.steps:
            # a deterministic layer (a colour conversion, say) may have no such argument
            keywords = {"training": training} if "training" in inspect.signature(step.call).parameters else {}
            images = tf.cast(step(images, **keywords), tf.float32)
        return tf.clip_by_value(images, 0.0, 255.0)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "steps": [keras.saving.serialize_keras_object(step) for step in self.steps]}

    @classmethod
    def from_config(cls, config):
        """Rebuild the layer and its steps."""
        steps = [keras.saving.deserialize_keras_object(step) for step in config.pop("steps")]
        return cls(steps, **config)
