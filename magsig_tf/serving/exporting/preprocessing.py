"""Pixels and encoded bytes of any size brought to what the network was trained on, inside the graph."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from magsig_tf.serving.exporting.declared_in_file import asserted, is_deep, jpeg_is_plain, png_is_plain

TAKEN = "PNG or JPEG files, upright, in sRGB, of one picture and all of their bits,"
"""What `image_bytes` may hold, in words."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Preprocessing:
    """What `magsig prepare` does to an image, as operations of TensorFlow.

    Pixels that have the size already pass unchanged. Others are resized with TensorFlow's antialiased bicubic filter in
    Pillow's order: first the width, then the height, each clipped and rounded to whole levels. Pillow's weights are
    fixed-point numbers, so that a few values still differ by 1. Pillow 13 begins with the height where that is
    cheaper, as with some tall images: a fifth of the values then differ, by 1 or 2.

    Args:
        size: Height and width in pixels that the network takes.
        resize: "squash" (the whole image, aspect ratio lost) or "crop" (the largest centred square).
    """

    size: int
    resize: str = "squash"

    def pixels(self, images: tf.Tensor) -> tf.Tensor:
        """Return prepared pixels.

        Args:
            images: uint8 or float32 0..255, [batch, height, width, 3] of any height and width.

        Returns:
            float32 0..255 [batch, size, size, 3].
        """
        images = tf.cast(self._square(images), tf.float32)
        shape = tf.shape(images)
        fits = tf.logical_and(tf.equal(shape[1], self.size), tf.equal(shape[2], self.size))
        prepared = tf.cond(fits, lambda: images, lambda: self._resized(images))
        return tf.ensure_shape(prepared, (None, self.size, self.size, 3))

    def decoded(self, encoded: tf.Tensor) -> tf.Tensor:
        """Return prepared pixels of encoded images, which may differ in size.

        The rows are decoded by tf.data inside the graph: it alone goes on past a row that cannot be decoded, so that
        the error can name every such row.

        Args:
            encoded: Strings [batch], each the bytes of a PNG or JPEG file; see `decode_image` for those refused.

        Returns:
            float32 0..255 [batch, size, size, 3].

        Raises:
            tf.errors.InvalidArgumentError: when the graph runs, with the numbers of the rows that are none.
        """
        rows = tf.size(encoded, out_type=tf.int64)
        numbered = tf.data.Dataset.from_tensor_slices((tf.range(rows), encoded))
        decoded = numbered.map(
            lambda row, data: (row, self.pixels(decode_image(data)[tf.newaxis])[0]), num_parallel_calls=tf.data.AUTOTUNE
        ).ignore_errors()
        # a row in front that always works: a batch of none at all could not be taken out
        first = tf.data.Dataset.from_tensors((tf.constant(-1, tf.int64), tf.zeros((self.size, self.size, 3))))
        found, pixels = first.concatenate(decoded).batch(rows + 1).get_single_element()
        lost = tf.sets.difference(tf.range(rows)[tf.newaxis], found[tf.newaxis, 1:]).values
        whole = tf.debugging.Assert(
            tf.equal(tf.size(lost), 0),
            [f"Expected {TAKEN} in image_bytes, found others or damaged ones in the rows", lost],
            summarize=20,
        )
        with tf.control_dependencies([whole]):
            return tf.ensure_shape(pixels[1:], (None, self.size, self.size, 3))

    def spread(self, maps: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Return maps of the prepared pixels laid over the images that a client sent.

        Args:
            maps: float32 [batch, h, w] over the prepared pixels.
            height: Of the images, in pixels.
            width: Of the images, in pixels.

        Returns:
            float32 [batch, height, width], bilinear; 0 where a centre crop cut the image off.
        """
        side = tf.minimum(height, width)
        inner = (side, side) if self.resize == "crop" else (height, width)
        spread = tf.image.resize(maps[..., tf.newaxis], tf.stack(inner), method="bilinear")
        if self.resize == "crop":
            spread = tf.image.pad_to_bounding_box(spread, (height - side) // 2, (width - side) // 2, height, width)
        return spread[..., 0]

    def _square(self, images: tf.Tensor) -> tf.Tensor:
        if self.resize != "crop":
            return images
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        side = tf.minimum(height, width)
        return tf.image.crop_to_bounding_box(images, (height - side) // 2, (width - side) // 2, side, side)

    def _resized(self, images: tf.Tensor) -> tf.Tensor:
        # as Pillow does it: the width first, whole numbers in between
        narrowed = _whole(tf.image.resize(images, (tf.shape(images)[1], self.size), method="bicubic", antialias=True))
        return _whole(tf.image.resize(narrowed, (self.size, self.size), method="bicubic", antialias=True))


def _whole(levels: tf.Tensor) -> tf.Tensor:
    return tf.floor(tf.clip_by_value(levels, 0.0, 255.0) + 0.5)


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Return the pixels of one PNG or JPEG file, whole float32 numbers 0..255 [height, width, 3].

    As in `prepare`, what is transparent stands on white, and 16 bits are cut to 8 where all of them are used.

    Args:
        encoded: A string.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for anything else, and for pictures that are turned, in
            other colours than sRGB, animated, transparent throughout, or of 16 bits of which it is not certain how many
            are used.
    """
    pixels = tf.cond(tf.io.is_jpeg(encoded), lambda: _jpeg(encoded), lambda: _png(encoded))
    return tf.ensure_shape(pixels, (None, None, 3))


def _jpeg(encoded: tf.Tensor) -> tf.Tensor:
    # the exact transform, which Pillow uses as well; TensorFlow's default is a faster one
    return tf.cast(
        asserted(
            jpeg_is_plain(encoded),
            lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
            "no upright JPEG in sRGB",
        ),
        tf.float32,
    )


def _png(encoded: tf.Tensor) -> tf.Tensor:
    # decode_png would take a BMP or a GIF as well
    known = tf.logical_and(tf.equal(tf.strings.substr(encoded, 0, len(_PNG)), _PNG), png_is_plain(encoded))
    pixels = asserted(
        known,
        lambda: tf.cond(is_deep(encoded), lambda: _deep_png(encoded), lambda: _levels(encoded)),
        "no upright PNG of one picture in sRGB",
    )
    opacity = pixels[..., 3:] / 255.0
    opaque = tf.logical_or(tf.equal(tf.size(opacity), 0), tf.reduce_max(opacity) > 0.0)
    return asserted(
        opaque, lambda: tf.round(pixels[..., :3] * opacity + 255.0 * (1.0 - opacity)), "transparent throughout"
    )


def _levels(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_png(encoded, channels=4), tf.float32)


def _deep_png(encoded: tf.Tensor) -> tf.Tensor:
    """Return the high bytes of 16 bits; refused where the values leave it open how many bits are used."""
    samples = tf.cast(tf.io.decode_png(encoded, channels=4, dtype=tf.uint16), tf.int32)
    high, low = samples // 256, samples % 256
    colours = samples[..., :3]
    widened = tf.reduce_all(high[..., :3] == low[..., :3])
    certain = tf.logical_or(widened, tf.reduce_max(colours) >= 2**14)
    return asserted(certain, lambda: tf.cast(high, tf.float32), "16 bits of which it is open how many are used")
