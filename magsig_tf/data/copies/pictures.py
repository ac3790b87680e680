"""Small grey forms of images, in which copies are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 64
"""Height and width of the small pictures in pixels."""

EVEN = 2.0
"""Rows and columns at an edge that spread less, in grey levels, are a border and not the picture."""

FEWEST_LINES = SIDE // 4
"""With fewer rows or columns between its even borders a picture shows too little."""


@dataclass(frozen=True)
class Pictures:
    """Small grey pictures without their even borders.

    Args:
        grey: uint8 [n, SIDE, SIDE]; an even border (black, white, glass) is overwritten with the line next to it.
        within: First and last + 1 row, first and last + 1 column between the borders, int16 [n, 4].
    """

    grey: np.ndarray
    within: np.ndarray

    @property
    def plain(self) -> np.ndarray:
        """Whether a picture is even but for some stripe, bool [n]."""
        few = np.diff(self.within.reshape(-1, 2, 2), axis=2) < FEWEST_LINES
        return np.logical_or.reduce(few.reshape(len(few), 2), axis=1)

    def of(self, chosen: np.ndarray | slice) -> Pictures:
        """Return some of the pictures."""
        return Pictures(self.grey[chosen], self.within[chosen])

    def rows_and_columns(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows and columns of these pictures at another size are no border, bool [n, side] each."""
        middle = (np.arange(side) + 0.5) * SIDE / side
        low, high = self.within[:, 0::2, None], self.within[:, 1::2, None]
        inside = (middle >= low) & (middle < high)
        return inside[:, 0], inside[:, 1]


def small_pictures(images: np.ndarray) -> Pictures:
    """Return the small grey form of images.

    Args:
        images: uint8 [n, height, width, 3].
    """
    grey, within = np.empty((len(images), SIDE, SIDE), np.uint8), np.empty((len(images), 4), np.int16)
    for number, image in enumerate(images):
        one = Image.fromarray(np.ascontiguousarray(image)).convert("L")
        smaller = one.width >= SIDE and one.height >= SIDE
        how = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
        grey[number], within[number] = _without_border(np.asarray(one.resize((SIDE, SIDE), how)))
    return Pictures(grey, within)


def _without_border(grey: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    top, bottom = _lively(grey.std(axis=1))
    left, right = _lively(grey.std(axis=0))
    if bottom - top < SIDE or right - left < SIDE:
        y = np.arange(SIDE).clip(top, max(top, bottom - 1))
        x = np.arange(SIDE).clip(left, max(left, right - 1))
        grey = grey[y][:, x]
    return grey, (top, bottom, left, right)


def _lively(spread: np.ndarray) -> tuple[int, int]:
    """Return the first and last + 1 line that is not even; the line at a border is half of it, and left out too."""
    lively = np.flatnonzero(spread >= EVEN)
    if not len(lively):
        return 0, 0
    first, last = int(lively[0]), int(lively[-1]) + 1
    return first + (first > 0), last - (last < SIDE)
