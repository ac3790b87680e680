"""Layers that change training images: what they share, crops, quarter turns and stains."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
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

    def __init__(self, steps: Sequence[keras.layers.Layer] = (), **kwargs: Any) -> None:
        # augmented pixels are not whole numbers: bfloat16 would round them to whole levels
        super().__init__(**{"dtype": "float32", **kwargs})
        self.steps = list(steps)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing depends on the input's shape; the steps build themselves when first called."""

    def call(self, images: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Return the augmented images, float32 in 0..255."""
        images = tf.cast(images, tf.float32)
        for step in self.steps:
            # a deterministic layer (a colour conversion, say) may have no such argument
            keywords = {"training": training} if "training" in inspect.signature(step.call).parameters else {}
            images = tf.cast(step(images, **keywords), tf.float32)
        return tf.clip_by_value(images, 0.0, 255.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "steps": [keras.saving.serialize_keras_object(step) for step in self.steps]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Augmentation:
        """Rebuild the layer and its steps."""
        steps = [keras.saving.deserialize_keras_object(step) for step in config.pop("steps")]
        return cls(steps, **config)


class RandomLayer(keras.layers.Layer):
    """What layers that change images at random share: a generator of their own, and outputs of the inputs' shape.

    Args:
        seed: Seed of the layer's own generator; None draws one from the global state.
        **kwargs: Those of `keras.layers.Layer`.

    Attributes:
        ARGUMENTS: Names of the constructor's arguments, each an attribute too.
    """

    ARGUMENTS: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Return the changed images, or the images as they are where `training` is False."""
        return self.changed(images) if training else images

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {name: getattr(self, name) for name in self.ARGUMENTS}


def _checked_strength(strength: float) -> float:
    if not 0 <= strength < 1:
        raise ValueError(f"strength must be in [0, 1), not {strength}")
    return float(strength)


@keras.saving.register_keras_serializable(package="magsig")
class CropZoom(RandomLayer):
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

    ARGUMENTS = ("strength", "seed")

    def __init__(self, strength: float = 0.2, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.strength = _checked_strength(strength)

    def changed(self, images: tf.Tensor) -> tf.Tensor:
        """Return the enlarged parts in the input's dtype."""
        count = tf.shape(images)[0]
        draws = tf.random.stateless_uniform([count, 3], self.generator.next())
        side = 1.0 - self.strength * draws[:, :1]
        corner = draws[:, 1:] * (1.0 - side)
        boxes = tf.concat([corner, corner + side], axis=1)
        zoomed = tf.image.crop_and_resize(images, boxes, tf.range(count), tf.shape(images)[1:3])
        return tf.ensure_shape(tf.cast(zoomed, images.dtype), images.shape)


def symmetries(height: int, width: int) -> np.ndarray:
    """Return, for every symmetry of the image's shape, the flat index that each pixel is taken from.

    Returns:
        int32 array [8, height * width] for a square, [4, height * width] for any other rectangle; row 0 is identity.
    """
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    images = [pixels, pixels[::-1, ::-1], pixels[::-1], pixels[:, ::-1]]
    if height == width:
        images += [image.T for image in images]
    return np.stack([image.ravel() for image in images])


@keras.saving.register_keras_serializable(package="magsig")
class QuarterTurns(RandomLayer):
    """Flip and turn each image by a random multiple of 90 degrees; tissue has no upright.

    All eight symmetries of the square are equally likely (images that are not square: the four that keep the shape).
    Pixels are only moved, never interpolated.

    Args:
        seed: Seed of the layer's own generator; None draws one from the global state.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        images: [batch, height, width, channels], any dtype; height and width are known when the graph is traced.
        training: False returns the images as they are.
    """

    def changed(self, images: tf.Tensor) -> tf.Tensor:
        """Return the turned images."""
        height, width, channels = images.shape[1:]
        table = symmetries(height, width)
        count = tf.shape(images)[0]
        chosen = tf.random.stateless_uniform([count], self.generator.next(), maxval=len(table), dtype=tf.int32)
        # one gather of whole pixels is four times faster on a CPU than flips chosen with tf.where
        source = tf.gather(tf.constant(table), chosen) + (tf.range(count) * height * width)[:, None]
        turned = tf.gather(tf.reshape(images, [-1, channels]), source)
        return tf.reshape(turned, tf.shape(images))


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
class StainJitter(RandomLayer):
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

    ARGUMENTS = ("strength", "shift", "seed")

    def __init__(
        self, strength: float = 0.2, shift: float | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        self.strength = _checked_strength(strength)
        if shift is not None and shift < 0:
            raise ValueError(f"shift must be at least 0, not {shift}")
        self.shift = self.strength / 4 if shift is None else float(shift)

    def changed(self, images: tf.Tensor) -> tf.Tensor:
        """Return the jittered images, clipped to 0..255, in the input's dtype."""
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
