"""A random part of the field, enlarged to the whole image."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="magsig")
class CropZoom(keras.layers.Layer):
    """Cut a random square part out of each image's field and enlarge it to the image's size, bilinear.

    The part's side is uniform in [1 - strength, 1] of the image's, its place uniform among those inside the image: a
    zoom and a shift that show only real pixels. `keras.layers.RandomZoom` zooms out as well, mirrors what is missing,
    and costs two to three times as much on a CPU (docs/encoders.md).

    Args:
        strength: Largest share of the side that is cut off, in [0, 1).
        seed: Seed of the layer's own generator; None draws one from the global state.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        images: [batch, height, width, channels], any real dtype.
        training: False returns the images as they are.
    """

    def __init__(self, strength: float = 0.2, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= strength < 1:
            raise ValueError(f"strength must be in [0, 1), not {strength}")
        self.strength = float(strength)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=True):
        """Return the enlarged parts in the input's dtype."""
        if not training:
            return images
        count = tf.shape(images)[0]
        draws = tf.random.stateless_uniform([count, 3], self.generator.next())
        side = 1.0 - self.strength * draws[:, :1]
        corner = draws[:, 1:] * (1.0 - side)
        boxes = tf.concat([corner, corner + side], axis=1)
        zoomed = tf.image.crop_and_resize(images, boxes, tf.range(count), tf.shape(images)[1:3])
        return tf.ensure_shape(tf.cast(zoomed, images.dtype), images.shape)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "strength": self.strength, "seed": self.seed}
