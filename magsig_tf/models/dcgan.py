"""The two networks of a DCGAN, after Radford et al. 2016."""

from __future__ import annotations

import keras
from keras import layers

from magsig_tf.errors import UsageError
from magsig_tf.gan_options import SIZES
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.layers.spectral_normalization import SpectralNormalization
from magsig_tf.seeding import seed_for

FIRST_MAP = 4
"""Height and width of the generator's first map and of the discriminator's last one."""
WIDEST = 8
"""The most filters of a map, as a multiple of the base width: those of the 4 x 4 map at 64 pixels (Radford et al.)."""
KERNEL = 4
"""Rows and columns of every filter: a stride of 2 divides it evenly, against checkerboards (Odena et al. 2016)."""
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
    kernel = _kernel("generator", "project", *seed_names)
    x = layers.Dense(FIRST_MAP**2 * first, use_bias=False, kernel_initializer=kernel, name="project")(vector)
    x = layers.Reshape((FIRST_MAP, FIRST_MAP, first), name="first_map")(x)
    for number, filters in enumerate([*others, None]):
        x = FusedBatchNormalization(**NORMALIZATION, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        x = layers.Conv2DTranspose(
            filters or 3,
            KERNEL,
            strides=2,
            padding="same",
            use_bias=filters is None,
            kernel_initializer=_kernel("generator", number, *seed_names),
            name=f"up{number}",
        )(x)
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
        normalized = number > 0 and not spectral_norm
        convolution = layers.Conv2D(
            filters,
            KERNEL,
            strides=2,
            padding="same",
            use_bias=number == 0 and not spectral_norm,
            kernel_initializer=_kernel("discriminator", number, *seed_names),
            name=f"down{number}",
        )
        x = _bounded(convolution, spectral_norm, seed_names)(x)
        if normalized:
            x = FusedBatchNormalization(**NORMALIZATION, name=f"norm{number}")(x)
        x = layers.LeakyReLU(SLOPE, name=f"relu{number}")(x)
    x = layers.Flatten(dtype="float32", name="flat")(x)
    head = layers.Dense(
        1,
        use_bias=not spectral_norm,
        dtype="float32",
        kernel_initializer=_kernel("discriminator", "logit", *seed_names),
        name="logit",
    )
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


def _kernel(*names: object) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, INITIAL_DEVIATION, seed=seed_for("initialisation", *names))


def _bounded(layer: keras.Layer, spectral_norm: bool, seed_names: tuple[object, ...]) -> keras.Layer:
    if not spectral_norm:
        return layer
    seed = seed_for("initialisation", "power iteration", layer.name, *seed_names)
    return SpectralNormalization(layer, seed, name=f"bounded_{layer.name}")
