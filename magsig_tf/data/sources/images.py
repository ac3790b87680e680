"""What passes between a source and the preparation: an image that is named, one that is decoded, one that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SourceImage:
    """One image that a source names.

    Args:
        path: Its name in the manifest, relative and posix; unique in the source.
        row: The manifest columns that the source knows: `label`, `magnification`, `case` at least.
        content: Where its pixels come from, for the source's reader: a `Path`, the bytes of an image file, or
            whatever the source's own reader takes. It is sent to a worker process.
    """

    path: str
    row: dict[str, Any]
    content: Any


@dataclass(frozen=True)
class DecodedImage:
    """Pixels at their prepared size, with what was measured on them.

    Args:
        path: The `SourceImage`'s path.
        pixels: uint8 [size, size, 3], RGB.
        measured: The columns `magsig_tf.data.columns.MEASURED_COLUMNS`.
        converted: What it was converted from ("grey", "alpha", "16-bit", ...), "" for plain RGB.
    """

    path: str
    pixels: np.ndarray
    measured: dict[str, object]
    converted: str = ""


@dataclass(frozen=True)
class UnreadableImage:
    """An image that cannot be decoded, and why."""

    path: str
    reason: str


Reader = Callable[[Sequence[SourceImage]], Sequence[DecodedImage | UnreadableImage]]


def printable(name: str) -> str:
    r"""Return a name with every control character and undecodable byte written as an escape such as `\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
