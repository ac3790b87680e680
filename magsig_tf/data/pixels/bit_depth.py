"""Sixteen-bit samples brought to eight: how many bits are used, the file says, or its values leave no doubt of it.

Cameras write 10, 12 or 14 bits into 16-bit files. Taken for 16 bits such a picture is nearly black; stretched to its
own brightest pixel, a dark picture becomes a bright one. Nothing is guessed, and no other file is asked: the same file
gives the same pixels alone (`predict`) and among others (`prepare`).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from magsig_tf.data.pixels.refusal import RefusedPicture

FULL = 16
NARROW = range(9, 15)
"""Bits that cameras write into 16-bit files."""
_REMEDY = "save it with 8 bits, or with values up to 65,535"


def stated_bits(largest_values: Collection[int]) -> set[int]:
    """Return the bits that stated largest values stand for; one that is no power of two less one stands for nothing.

    Programs also write the largest value that occurs, which says nothing of what could occur, and 65,535 for every
    16-bit file, whatever the camera.
    """
    return {bits for bits in NARROW for value in largest_values if value == 2**bits - 1}


def to_eight_bits(samples: np.ndarray, stated: Collection[int] = (), inverted: bool = False) -> tuple[np.ndarray, str]:
    """Return the eight highest of the bits that are used, and what the samples were.

    Args:
        samples: uint16, any shape.
        stated: Numbers of bits below 16 that the file says are used; none or one, else it contradicts itself.
        inverted: Whether 0 is white.

    Returns:
        uint8 of the same shape, 0 black; "16-bit", "12-bit in 16" or "16-bit without values in the upper half".

    Raises:
        RefusedPicture: the file says nothing and no value reaches a quarter of the range, so that it may be dark or of
            fewer bits; or what it says is contradicted.
    """
    largest = int(samples.max(initial=0))
    if len(set(stated)) > 1:
        raise RefusedPicture(f"it states {' and '.join(map(str, sorted(set(stated))))} used bits; {_REMEDY}")
    bits = next(iter(stated), None)
    if bits is None:
        bits = _bits_without_doubt(samples, largest)
    if largest >= 2**bits:
        raise RefusedPicture(f"it states {bits} used bits and has values up to {largest:,}; {_REMEDY}")
    # cut, not rounded: Pillow and TensorFlow cut 16 bits to 8 too
    levels = (samples >> (bits - 8)).astype(np.uint8)
    kind = "16-bit" if bits == FULL else f"{bits}-bit in 16"
    if bits == FULL and 0 < largest < 2**15 and not _is_widened(samples):
        kind = "16-bit without values in the upper half"
    return 255 - levels if inverted else levels, kind


def _bits_without_doubt(samples: np.ndarray, largest: int) -> int:
    if largest >= 2**NARROW.stop >> 1 or _is_widened(samples):
        return FULL
    raise RefusedPicture(
        f"16-bit file without values above {largest:,}: 10 to 14 bits of a camera or a dark picture, and the file does "
        f"not say which; {_REMEDY}"
    )


def _is_widened(samples: np.ndarray) -> bool:
    """Return whether each sample is one byte twice, as programs widen 8 bits to 16."""
    return bool((samples >> 8 == (samples & 0xFF)).all())
