"""What PNG and JPEG files declare besides their pixels, read by operations of TensorFlow.

TensorFlow's decoders pass over orientation, colour profiles, animations and ink colours. `prepare` turns, converts or
refuses such pictures; a served model refuses all of them, so that none is answered from pixels of another kind than
those of training.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_PADDING = 64
_ORIENTATION = 0x0112
_SRGB_GAMMA = (40_455, 50_455)
"""What gAMA may be, times 100,000: as far from sRGB's as `prepare` takes it."""
_MOST_CHUNKS = 4096


class FileBytes:
    """The bytes of one file, to be read as numbers; behind its end there are zeros.

    Args:
        encoded: A string.
    """

    def __init__(self, encoded: tf.Tensor):
        self.length = tf.strings.length(encoded)
        self._bytes = tf.cast(tf.pad(tf.io.decode_raw(encoded, tf.uint8), [[0, _PADDING]]), tf.int64)

    def number(self, at: tf.Tensor, width: int, little: tf.Tensor | bool = False) -> tf.Tensor:
        """Return unsigned numbers, int64 in the shape of `at`, of so many bytes each."""
        weights = [256 ** (width - 1 - place) for place in range(width)]
        last = self.length + _PADDING - width
        inside = tf.clip_by_value(at, 0, last)[..., tf.newaxis] + tf.range(width)
        digits = tf.gather(self._bytes, inside)
        big = tf.reduce_sum(digits * tf.constant(weights, tf.int64), axis=-1)
        small = tf.reduce_sum(digits * tf.constant(weights[::-1], tf.int64), axis=-1)
        return tf.where(little, small, big)

    def begins(self, at: tf.Tensor, text: bytes) -> tf.Tensor:
        """Return whether a text stands at a place."""
        found = tf.gather(
            self._bytes, tf.clip_by_value(at, 0, self.length + _PADDING - len(text)) + tf.range(len(text))
        )
        return tf.reduce_all(found == tf.constant(list(text), tf.int64))

    def holds(self, start: tf.Tensor, end: tf.Tensor, text: bytes) -> tf.Tensor:
        """Return whether a text stands anywhere between two places."""
        part = self._bytes[tf.minimum(start, self.length) : tf.minimum(end, self.length)]
        padded = tf.pad(part, [[0, len(text)]])
        count = tf.size(part)
        alike = [padded[place : place + count] == letter for place, letter in enumerate(text)]
        return tf.reduce_any(tf.reduce_all(tf.stack(alike), axis=0))

    def is_turned(self, at: tf.Tensor) -> tf.Tensor:
        """Return whether EXIF that begins at a place says that the picture is to be turned."""
        little = self.begins(at, b"II")
        directory = at + self._place(at + 4, 4, little)
        entries = directory + 2 + 12 * tf.range(tf.minimum(self._place(directory, 2, little), 512))
        is_orientation = self.number(entries, 2, little) == _ORIENTATION
        value = self.number(entries + 8, 2, little)
        known = tf.logical_or(little, self.begins(at, b"MM"))
        turned = tf.logical_and(is_orientation, tf.logical_and(value >= 2, value <= 8))
        return tf.logical_and(known, tf.reduce_any(turned))

    def _place(self, at: tf.Tensor, width: int, little: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.minimum(self.number(at, width, little), tf.cast(self.length, tf.int64)), tf.int32)


def png_is_plain(encoded: tf.Tensor) -> tf.Tensor:
    """Return whether a PNG file is one upright picture in sRGB, as far as it declares anything.

    Args:
        encoded: The bytes of a PNG file, a string.
    """
    file = FileBytes(encoded)
    deep = file.number(24, 1) == 16

    def chunk(place: tf.Tensor, odd: tf.Tensor, gamma: tf.Tensor, overruled: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def called(name: bytes) -> tf.Tensor:
            return file.begins(place + 4, name)

        profile = called(b"iCCP")
        odd = tf.reduce_any(
            [
                odd,
                tf.logical_and(called(b"acTL"), file.number(place + 8, 4) > 1),
                tf.logical_and(called(b"cICP"), tf.logical_not(file.begins(place + 8, b"\x01\x0d\x00\x01"))),
                tf.logical_and(called(b"eXIf"), file.is_turned(place + 8)),
                tf.logical_and(profile, tf.logical_not(file.begins(place + 8, b"sRGB"))),
                tf.logical_and(called(b"tRNS"), deep),
            ]
        )
        gamma = tf.where(called(b"gAMA"), file.number(place + 8, 4), gamma)
        overruled = tf.reduce_any([overruled, profile, called(b"sRGB")])
        size = tf.cast(tf.minimum(file.number(place, 4), tf.cast(file.length, tf.int64)), tf.int32)
        return place + 12 + size, odd, gamma, overruled

    def goes_on(place: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(place + 8 < file.length, tf.logical_not(file.begins(place + 4, b"IDAT")))

    start = (tf.constant(8), tf.constant(False), tf.constant(_SRGB_GAMMA[0], tf.int64), tf.constant(False))
    _, odd, gamma, overruled = tf.while_loop(goes_on, chunk, start, maximum_iterations=_MOST_CHUNKS)
    of_srgb = tf.logical_and(gamma >= _SRGB_GAMMA[0], gamma <= _SRGB_GAMMA[1])
    grey_with_opacity = tf.logical_and(deep, file.number(25, 1) == 4)
    return tf.reduce_all([tf.logical_not(odd), tf.logical_or(of_srgb, overruled), tf.logical_not(grey_with_opacity)])


def is_deep(encoded: tf.Tensor) -> tf.Tensor:
    """Return whether a PNG file has samples of 16 bits."""
    return FileBytes(tf.strings.substr(encoded, 0, 32)).number(24, 1) == 16


def jpeg_is_plain(encoded: tf.Tensor) -> tf.Tensor:
    """Return whether a JPEG file is an upright picture in sRGB or grey, as far as it declares anything.

    Args:
        encoded: The bytes of a JPEG file, a string.
    """
    file = FileBytes(encoded)

    def segment(
        place: tf.Tensor, turned: tf.Tensor, profile: tf.Tensor, named: tf.Tensor, channels: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        marker, size = file.number(place + 1, 1), tf.cast(file.number(place + 2, 2), tf.int32)
        end = place + 2 + size
        exif = tf.logical_and(marker == 0xE1, file.begins(place + 4, b"Exif\0\0"))
        icc = tf.logical_and(marker == 0xE2, file.begins(place + 4, b"ICC_PROFILE\0"))
        # a name in the profile, in one byte a letter or in two
        named = tf.logical_or(
            named,
            tf.cond(
                icc,
                lambda: tf.logical_or(file.holds(place, end, b"sRGB"), file.holds(place, end, b"s\0R\0G\0B")),
                lambda: tf.constant(False),
            ),
        )
        turned = tf.logical_or(turned, tf.logical_and(exif, file.is_turned(place + 10)))
        frame = tf.reduce_all([marker >= 0xC0, marker <= 0xCF, marker != 0xC4, marker != 0xC8, marker != 0xCC])
        channels = tf.where(frame, file.number(place + 9, 1), channels)
        # markers may be preceded by any number of fill bytes
        after = tf.where(marker == 0xFF, place + 1, end)
        return after, turned, tf.logical_or(profile, icc), named, channels

    def goes_on(place: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        marker = file.number(place + 1, 1)
        return tf.reduce_all([place + 4 < file.length, file.number(place, 1) == 0xFF, marker != 0xDA, marker != 0xD9])

    start = (tf.constant(2), tf.constant(False), tf.constant(False), tf.constant(False), tf.constant(3, tf.int64))
    _, turned, profile, named, channels = tf.while_loop(goes_on, segment, start, maximum_iterations=_MOST_CHUNKS)
    in_srgb = tf.logical_or(tf.logical_not(profile), named)
    return tf.reduce_all([tf.logical_not(turned), in_srgb, tf.logical_or(channels == 1, channels == 3)])


def asserted(holds: tf.Tensor, value: Callable[[], tf.Tensor], text: str) -> tf.Tensor:
    """Return a value if a condition holds.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs and it does not.
    """
    with tf.control_dependencies([tf.debugging.Assert(holds, [text])]):
        return value()
