"""Haematoxylin and eosin jitter in optical density space."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

# optical density of red, green, blue for haematoxylin, eosin and a third direction orthogonal to both
# (Ruifrok & Johnston 2001, Analytical and Quantitative Cytology and Histology 23, 291-299)
HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)
# below this the logarithm of a black pixel would dominate; one level of 8-bit pixels
BLACK = 1.0


def stain_matrix() -> np.ndarray:
    """Return the unit stain vectors: rows haematoxylin, eosin, residual; columns red, green, blue."""
    stains = np.array([HAEMATOXYLIN, EOSIN, np.cross(HAEMATOXYLIN, EOSIN)])
    return stains / np.linalg.norm(stains, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="magsig")
class StainJitter(keras.layers.Layer):
    """Scale and shift each image's stain concentrations at random, as staining and scanners do.

    Pixels become optical densities and then concentrations of haematoxylin, eosin and a residual. For each image and
    each of the three, c' = alpha c + beta with alpha uniform in [1 - strength, 1 + strength] and beta uniform in
    [-shift, shift]; then the way back. White stays white under alpha alone; beta colours the background as well.

    Args:
        strength: Half width of the factor alpha, in [0, 1).
        shift: Half width of the offset beta, in natural optical density, >= 0; by default strength / 4.
        seed: Seed of the layer's own generator; None draws one from the global state.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        images: [batch, height, width, 3], RGB, 0..255.
        training: False returns the images as they are.

    References: Ruifrok & Johnston 2001 (stain vectors); Tellez et al. 2018, IEEE Transactions on Medical Imaging
        37(9), 2126-2136 (the jitter).
    """

    def __init__(self, strength: float = 0.2, shift: float | None = None, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= strength < 1:
            raise ValueError(f"strength must be in [0, 1), not {strength}")
        if shift is not None and shift < 0:
            raise ValueError(f"shift must be at least 0, not {shift}")
        self.strength = float(strength)
        self.shift = self.strength / 4 if shift is None else float(shift)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=True):
        """Return the jittered images, clipped to 0..255, in the input's dtype."""
        if not training:
            return images
        count = tf.shape(images)[0]
        draws = tf.random.stateless_uniform([count, 2, 3], self.generator.next(), minval=-1.0, maxval=1.0)
        pixels = tf.cast(images, tf.float32)
        matrix = tf.constant(stain_matrix(), tf.float32)
        unmix = tf.constant(np.linalg.inv(stain_matrix()), tf.float32)
        # density -> concentrations, alpha, -> density is one 3 x 3 matrix an image; with density = log 255 - log pixel
        # the offset and the white level join into one constant, so that pixels are touched as little as can be
        mixing = tf.einsum("ij,bj,jk->bik", unmix, 1.0 + self.strength * draws[:, 0], matrix)
        white = np.float32(np.log(255.0))
        constant = white - white * tf.reduce_sum(mixing, axis=1) - tf.linalg.matmul(self.shift * draws[:, 1], matrix)
        flat = tf.reshape(tf.math.log(tf.maximum(pixels, BLACK)), [count, -1, 3])
        jittered = tf.minimum(tf.exp(tf.linalg.matmul(flat, mixing) + constant[:, None, :]), 255.0)
        jittered = tf.reshape(jittered, tf.shape(images))
        return tf.cast(jittered, images.dtype)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "strength": self.strength, "shift": self.shift, "seed": self.seed}
