"""DiffAugment: augmentation that gradients pass through, the same for real and synthetic images (Zhao et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

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
    return (contrast * saturation) * images + (
        contrast * (1.0 - saturation) * grey + ((1.0 - contrast) * mean + brightness)
    )


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
