"""How many workers the memory there is allows: each of them may meet the largest picture at once."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from magsig_tf.data.pixels.opening import LARGEST_IMAGE, opened
from magsig_tf.memory import available_memory

WORKER = 100 * 2**20
"""Bytes of a worker process without a picture: 33 MiB of Python and its libraries, and the files of a few tasks."""
BYTES_PER_PIXEL = 14
"""Measured on pictures of 20 million pixels: RGB 4.6 to 8.7 (turned), with opacity 13.5; 16 bits 21 to 26, of which
half as many pixels are allowed."""


def workers_that_fit(
    wanted: int, contents: Callable[[], Iterable[object]], what: str = "workers", reserved: int = 0
) -> tuple[int, str]:
    """Return how many workers to start, and why they are fewer than wanted.

    Headers of the files are read only where the largest picture that is read at all would not fit.

    Args:
        wanted: As many as there are cores.
        contents: Lists where the pictures come from: paths, bytes of image files (of an archive, whose other members
            are not known), or what is no file.
        what: What they are called.
        reserved: Bytes that something else is about to take.

    Returns:
        At least 1, at most `wanted`; and a sentence, empty where nothing is reduced.
    """
    there = max(0, available_memory() - reserved)
    if _that_fit(there, LARGEST_IMAGE) >= wanted:
        return wanted, ""
    pixels = largest_declared(contents)
    fitting = min(wanted, max(1, _that_fit(there, pixels)))
    if fitting == wanted:
        return wanted, ""
    need = (WORKER + BYTES_PER_PIXEL * pixels) / 2**20
    of = f"the largest picture ({pixels / 1e6:,.1f} million pixels)" if pixels else "a picture"
    return fitting, (
        f"{fitting} of {wanted} {what}: decoding {of} takes up to {need:,.0f} MiB each, and {there / 2**20:,.0f} MiB "
        "of memory are free"
    )


def largest_declared(contents: Callable[[], Iterable[object]]) -> int:
    """Return the pixels of the largest picture that files declare; the most that is read at all for an archive."""
    largest = 0
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(Exception):  # told when the images are read
        for content in contents():
            if isinstance(content, bytes):
                return LARGEST_IMAGE
            if isinstance(content, Path):
                largest = max(largest, _declared(content))
    return largest


def _declared(path: Path) -> int:
    with contextlib.suppress(Exception):  # Pillow's plugins raise anything on broken files
        if path.is_file():
            with path.open("rb") as stream:
                image = opened(stream)
                # of 16 bits a pixel takes twice as much
                return min(LARGEST_IMAGE, image.width * image.height * (2 if "16" in str(image.tile) else 1))
    return 0


def _that_fit(memory: int, pixels: int) -> int:
    return memory // (WORKER + BYTES_PER_PIXEL * pixels)
