"""Pictures of a repeating pattern: they lie on each other in many ways, so that an alignment of two proves nothing."""

from __future__ import annotations

import numpy as np

from magsig_tf.data.copies.alignment import BACKGROUND, DETAIL
from magsig_tf.data.copies.landmarks import smoothed
from magsig_tf.data.copies.pictures import SIDE, Pictures

LEAST_SELF_CORRELATION = 0.7
LEAST_SHIFT = SIDE // 10
LEAST_OVERLAP = 0.4


def repeats(pictures: Pictures) -> np.ndarray:
    """Return which pictures look like themselves when they are shifted, bool [n].

    The correlation of a picture with itself, over what overlaps, at all shifts at once by Fourier transforms of the
    zero-padded picture (Padfield, "Masked object registration in the Fourier domain", IEEE TIP 21(5), 2012).
    """
    grey = pictures.grey.astype(np.float32)
    found = np.zeros(len(grey), bool)
    away = np.abs(np.fft.fftfreq(2 * SIDE, 1 / (2 * SIDE)))
    overlap = np.maximum(0, 1 - away[:, None] / SIDE) * np.maximum(0, 1 - away / SIDE)
    looked_at = (np.maximum(away[:, None], away) >= LEAST_SHIFT) & (overlap >= LEAST_OVERLAP)
    for start in range(0, len(grey), 64):
        block = grey[start : start + 64]
        fine, coarse = (smoothed(block, SIDE, SIDE, sd * SIDE) for sd in (DETAIL, BACKGROUND))
        detail = fine - coarse
        detail -= detail.mean(axis=(1, 2), keepdims=True)
        padded = np.zeros((3, len(block), 2 * SIDE, 2 * SIDE))
        padded[0, :, :SIDE, :SIDE], padded[1, :, :SIDE, :SIDE], padded[2, :, :SIDE, :SIDE] = detail, detail**2, 1
        one, square, inside = np.fft.rfft2(padded)
        product, here, there = (
            np.fft.irfft2(left * right.conj()) for left, right in ((one, one), (square, inside), (inside, square))
        )
        likeness = product / np.sqrt(np.maximum(here, 1e-6) * np.maximum(there, 1e-6))
        found[start : start + 64] = (likeness[:, looked_at[:, : likeness.shape[2]]] >= LEAST_SELF_CORRELATION).any(
            axis=1
        )
    return found
