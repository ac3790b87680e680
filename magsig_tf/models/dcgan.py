"""The two networks of a DCGAN, after Radford et al. 2016, DiffAugment in front of its discriminator, and samples.

DiffAugment (Zhao et al. 2020) is augmentation that gradients pass through, the same for real and synthetic images.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from magsig_tf.errors import UsageError
from magsig_tf.models.gan_options import SIZES
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.layers.spectral_normalization import SpectralNormalization
from magsig_tf.seeding import generator_for, seed_for

FIRST_MAP = 4
"""Height and width of the generator's first map and of the discriminator's last one."""
WIDEST = 8
"""The most filters of a map, as a multiple of the base width: those of the 4 x 4 map at 64 pixels (Radford et al.)."""
STRIDED = {"kernel_size": 4, "strides": 2, "padding": "same"}
"""Of every convolution: the stride divides the filter's rows and columns evenly, against checkerboards (Odena et al.
2016)."""
INITIAL_DEVIATION = 0.02
"""Standard deviation of the first weights (Radford et al. 2016, section 4)."""
SLOPE = 0.2
"""Slope of the discriminator's leaky ReLU below zero (the same place)."""
# runs are short: with 0.99 the moving statistics would still hold their start; the smallest epsilon of the kernel
NORMALIZATION = {"momentum": 0.9, "epsilon": 1.001e-5}


def build_generator(size: int, width: int, latent: int, seed_names: tuple[object, ...]) -> keras.Model:
    """Return the generator: latent vectors -> images.

    A dense projection to 4 x 4, then transposed convolutions of stride 2, each but the last with batch normalization
    and ReLU.

    Args:
        size: Height and width of the images, one of `SIZES`.
        width: Filters of the map at half the size; they double toward 4 x 4, up to `WIDEST` times.
        latent: Length of the latent vector.
        seed_names: Names that the first weights derive from.

    Returns:
        A functional model named `generator`, float32 [batch, latent] -> float32 [batch, size, size, 3] in [-1, 1]
        (tanh) under every precision policy.

    Raises:
        UsageError: doubling from 4 x 4 does not reach the size.
    """
    first, *others = reversed(map_filters(size, width))
    vector = keras.Input((latent,), dtype="float32", name="latent")
    weights = _weights("generator", "project", *seed_names)
    x = layers.Dense(FIRST_MAP**2 * first, **weights, use_bias=False, name="project")(vector)
    x = layers.Reshape((FIRST_MAP, FIRST_MAP, first), name="first_map")(x)
    for number, filters in enumerate([*others, None]):
        x = FusedBatchNormalization(**NORMALIZATION, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        bias, weights = filters is None, _weights("generator", number, *seed_names)
        x = layers.Conv2DTranspose(filters or 3, **STRIDED, **weights, use_bias=bias, name=f"up{number}")(x)
    return keras.Model(vector, layers.Activation("tanh", dtype="float32", name="pixels")(x), name="generator")


def build_discriminator(size: int, width: int, spectral_norm: bool, seed_names: tuple[object, ...]) -> keras.Model:
    """Return the discriminator: images -> one logit of "real".

    Convolutions of stride 2 down to 4 x 4 with leaky ReLU; batch normalization in each but the first.

    Args:
        size: Height and width of the images, one of `SIZES`.
        width: Filters of the first map; they double toward 4 x 4, up to `WIDEST` times.
        spectral_norm: Divide every kernel by its largest singular value (Miyato et al. 2018), in place of batch
            normalization.
        seed_names: Names that the first weights derive from.

    Returns:
        A functional model named `discriminator`, [batch, size, size, 3] in [-1, 1] -> float32 [batch, 1].

    Raises:
        UsageError: halving does not reach 4 x 4 from the size.
    """
    pixels = keras.Input((size, size, 3), dtype="float32", name="pixels")
    x = pixels
    for number, filters in enumerate(map_filters(size, width)):
        bias, weights = number == 0 and not spectral_norm, _weights("discriminator", number, *seed_names)
        layer = layers.Conv2D(filters, **STRIDED, **weights, use_bias=bias, name=f"down{number}")
        x = _bounded(layer, spectral_norm, seed_names)(x)
        if number > 0 and not spectral_norm:
            x = FusedBatchNormalization(**NORMALIZATION, name=f"norm{number}")(x)
        x = layers.LeakyReLU(SLOPE, name=f"relu{number}")(x)
    x = layers.Flatten(dtype="float32", name="flat")(x)
    weights = _weights("discriminator", "logit", *seed_names)
    head = layers.Dense(1, **weights, use_bias=not spectral_norm, dtype="float32", name="logit")
    return keras.Model(pixels, _bounded(head, spectral_norm, seed_names)(x), name="discriminator")


def map_filters(size: int, width: int) -> list[int]:
    """Return the filters of each hidden map, from half the image's size to 4 x 4.

    Raises:
        UsageError: the size is none of `SIZES`.
    """
    if size not in SIZES:
        raise UsageError(
            f"Expected gan_size among {', '.join(map(str, SIZES))}",
            f"found {size}",
            "A DCGAN doubles its maps from 4 x 4 pixels: choose one of these",
        )
    maps = (size // FIRST_MAP).bit_length() - 1
    return [width * min(2**number, WIDEST) for number in range(maps)]


def _weights(*names: object) -> dict[str, keras.initializers.Initializer]:
    seed = seed_for("initialisation", *names)
    return {"kernel_initializer": keras.initializers.RandomNormal(0.0, INITIAL_DEVIATION, seed=seed)}


def _bounded(layer: keras.Layer, spectral_norm: bool, seed_names: tuple[object, ...]) -> keras.Layer:
    if not spectral_norm:
        return layer
    seed = seed_for("initialisation", "power iteration", layer.name, *seed_names)
    return SpectralNormalization(layer, seed, name=f"bounded_{layer.name}")


LARGEST_SHIFT = 1 / 8
"""Images move by up to this share of their side (Zhao et al. 2020, appendix; so do the next ones)."""
CUTOUT = 1 / 2
"""Side of the square that is cut out, as a share of the image's."""
DRAWS = 7
"""Uniform draws an image: brightness, saturation, contrast, shift by rows and columns, centre of the cut-out."""


def diff_augment(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Change colours, move and cut a square out of each image, with gradients with respect to the images.

    Brightness adds uniform [-1/2, 1/2]; saturation scales the distance from each pixel's grey by uniform [0, 2];
    contrast scales the distance from the image's mean by uniform [1/2, 3/2]; then the image moves by whole pixels,
    uniform up to `LARGEST_SHIFT` of its side each way; then a square of `CUTOUT` of its side, at a uniform place that
    may reach over the border, is cut out. What is moved in or cut out is 0, the middle of the range.

    Args:
        images: float32 [batch, size, size, 3], in [-1, 1].
        draws: float32 [batch, DRAWS], uniform in [0, 1); the same draws give the same changes.

    Returns:
        float32 [batch, size, size, 3]; colours may leave [-1, 1].
    """
    size = images.shape[1]
    shift = 1 + 2 * round(size * LARGEST_SHIFT)
    moved = tf.cast(tf.floor(draws[:, 3:5] * shift), tf.int32) - shift // 2
    square = round(size * CUTOUT)
    centre = tf.cast(tf.floor(draws[:, 5:7] * (size + 1 - square % 2)), tf.int32)
    return _moved(_coloured(images, draws), moved, _outside(centre, square, size))


def _coloured(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Apply brightness, saturation and contrast at once.

    With b, s, c the three draws, m a pixel's grey and M the image's mean, the three in a row come to
    c s x + c (1 - s) m + (1 - c) M + b: two sums over the pixels in place of five passes.
    """
    brightness, saturation, contrast = (draws[:, i, None, None, None] for i in range(3))
    brightness, saturation, contrast = brightness - 0.5, 2.0 * saturation, contrast + 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=(1, 2), keepdims=True)
    added = contrast * (1.0 - saturation) * grey + ((1.0 - contrast) * mean + brightness)
    return (contrast * saturation) * images + added


def _outside(centre: tf.Tensor, square: int, size: int) -> tf.Tensor:
    """Return 1.0 outside the square round each centre and 0.0 inside, [batch, size, size]."""
    first = centre[:, :, None] - square // 2
    places = tf.range(size)[None, None, :]
    inside = tf.cast((places >= first) & (places < first + square), tf.float32)
    return 1.0 - inside[:, 0, :, None] * inside[:, 1, None, :]


def _moved(images: tf.Tensor, moved: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
    """Move images by whole pixels and multiply by `kept`; the gradient is the way back, another gather.

    TensorFlow's own gradient of a gather adds up one pixel after another, though here no two fall on the same.
    """
    there, back = _gather_plan(-moved, images.shape[1]), _gather_plan(moved, images.shape[1])

    @tf.custom_gradient
    def move(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _gathered(upstream * kept[..., None], *back)

        return _gathered(images, *there) * kept[..., None], gradient

    return move(images)


def _gather_plan(moved: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the flat index that each pixel is taken from, and 1.0 where it lies inside the image, else 0.0."""
    source = tf.range(size)[None, None, :] + moved[:, :, None]
    inside = tf.cast((source >= 0) & (source < size), tf.float32)
    source = tf.clip_by_value(source, 0, size - 1)
    first = tf.range(tf.shape(moved)[0])[:, None, None] * size**2
    flat = first + source[:, 0, :, None] * size + source[:, 1, None, :]
    return flat, inside[:, 0, :, None] * inside[:, 1, None, :]


def _gathered(images: tf.Tensor, source: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.reshape(images, [-1, images.shape[-1]]), source) * inside[..., None]


def latent_vectors(count: int, length: int, seed_names: tuple[object, ...]) -> np.ndarray:
    """Return standard normal vectors, float32 [count, length]."""
    return generator_for("gan samples", *seed_names).standard_normal((count, length)).astype(np.float32)


def sample(generator: keras.Model, count: int, seed_names: tuple[object, ...], batch: int = 64) -> np.ndarray:
    """Return images of latent vectors that derive from names.

    Args:
        generator: Maps [n, latent] to pixels in [-1, 1].
        count: How many, >= 0.
        seed_names: Names that the latent vectors derive from; the first images of a longer draw are the same.
        batch: Images in a step.

    Returns:
        uint8 [count, size, size, 3].
    """
    return Sampler(generator, batch)(latent_vectors(count, generator.input_shape[-1], seed_names))


class Sampler:
    """Images of latent vectors, in batches of one size so that nothing is traced twice.

    Args:
        generator: Maps [n, latent] to pixels in [-1, 1].
        batch: Images in a step.
    """

    def __init__(self, generator: keras.Model, batch: int):
        self.generator, self.batch = generator, batch

        @tf.function(input_signature=[tf.TensorSpec((batch, generator.input_shape[-1]), tf.float32)], autograph=False)
        def draw(latents: tf.Tensor) -> tf.Tensor:
            pixels = generator(latents, training=False)
            return tf.cast(tf.clip_by_value(tf.round((pixels + 1.0) * 127.5), 0.0, 255.0), tf.uint8)

        draw._omit_frequent_tracing_warning = True  # one trace a GAN is right
        self._draw = draw

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Return uint8 [n, size, size, 3] for latent vectors [n, latent]."""
        padded = np.pad(latents, ((0, -len(latents) % self.batch), (0, 0)))
        drawn = np.empty((len(padded), *self.generator.output_shape[1:]), np.uint8)
        for first in range(0, len(padded), self.batch):
            drawn[first : first + self.batch] = self._draw(padded[first : first + self.batch]).numpy()
        return drawn[: len(latents)]
