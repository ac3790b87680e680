"""Landmarks of small grey pictures: where blobs lie, and a 64-bit code of what surrounds each of them.

A copy keeps most of its original's landmarks. Codes are the same for a picture and its mirrored and quarter-turned
forms; for crops a picture is stretched by each of `STRETCHES` along both sides before its landmarks are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from magsig_tf.data.copies.pictures import SIDE
from magsig_tf.seeding import generator_for

STRETCHES = (1.0, 1.19, 1.41)
"""A crop of 70 % is enlarged 1.43 times; codes agree up to about a tenth of a scale."""

LEVELS = tuple(product(STRETCHES, STRETCHES))
"""Stretch along y and x; level 0 is the picture as it is."""

FINE, COARSE = 1.3, 2.1
"""Standard deviations in pixels of the two Gaussians whose difference shows blobs."""

MARGIN = 7
"""Landmarks nearer to the edge have no whole surroundings."""

LEAST_RESPONSE = 0.7
"""In grey levels of 0 to 255: noise of even tiles stays below."""

LEAST_CONTRAST = 2.2
"""In medians of the absolute response over the picture."""

BITS = 64
_OFFSETS = np.arange(-7, 8, 2)
_FREQUENCIES = 6


@dataclass(frozen=True)
class Landmarks:
    """Landmarks of some pictures at one stretch.

    Args:
        picture: Position of each landmark's picture among those given, int64 (n,).
        place: y and x from the middle of the stretched picture in its pixels, float32 (n, 2).
        pose: Which of the eight orientations its surroundings were brought into, 0 to 7, (n,).
        code: uint64 (n,).
        bright: Whether the blob is brighter than its surroundings, (n,).
    """

    picture: np.ndarray
    place: np.ndarray
    pose: np.ndarray
    code: np.ndarray
    bright: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Landmarks], pictures: Sequence[int]) -> Landmarks:
        """Join the landmarks of several groups of pictures, given how many pictures each group has."""
        before = np.cumsum([0, *pictures[:-1]])
        picture = np.concatenate([part.picture + start for part, start in zip(parts, before, strict=True)])
        rest = (np.concatenate([getattr(part, name) for part in parts]) for name in ("place", "pose", "code", "bright"))
        return cls(picture.astype(np.int32), *rest)


def landmarks(pictures: np.ndarray, level: int) -> Landmarks:
    """Find the landmarks of pictures.

    Args:
        pictures: Grey, 0 to 255, float32 [B, N, N].
        level: Index into `LEVELS`.
    """
    height, width = (round(SIDE * stretch) for stretch in LEVELS[level])
    fine, coarse = (smoothed(pictures, height, width, sd) for sd in (FINE, COARSE))
    response = fine - coarse
    strength = np.abs(response)
    # the median, since the edge of a black border would raise a mean; every third pixel is enough
    contrast = np.median(strength[:, ::3, ::3].reshape(len(strength), -1), axis=1)
    inside = strength[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    peak = inside > np.maximum(LEAST_CONTRAST * contrast, LEAST_RESPONSE)[:, None, None]
    for dy, dx in product((-1, 0, 1), repeat=2):
        if dy or dx:
            top, left = MARGIN + dy, MARGIN + dx
            peak &= inside >= strength[:, top : top + inside.shape[1], left : left + inside.shape[2]]
    picture, y, x = np.nonzero(peak)
    y, x = y + MARGIN, x + MARGIN
    code, pose = _codes(coarse, picture, y, x)
    place = np.stack([y + 0.5 - height / 2, x + 0.5 - width / 2], axis=1).astype(np.float32)
    return Landmarks(picture, place, pose, code, response[picture, y, x] > 0)


def smoothed(pictures: np.ndarray, height: int, width: int, sd: float) -> np.ndarray:
    """Return pictures [B, N, N] resampled to a size and blurred by `sd` of the new pixels, [B, height, width]."""
    rows, columns = (_smoothing(pictures.shape[1], length, sd) for length in (height, width))
    return rows @ pictures @ columns.T


@cache
def _smoothing(source: int, target: int, sd: float) -> np.ndarray:
    """Return the matrix that resamples `source` values to `target` and blurs with a Gaussian of `sd` target pixels."""
    middle = (np.arange(target) + 0.5) * source / target
    distance = (np.arange(source) + 0.5 - middle[:, None]) / (sd * source / target)
    weight = np.exp(-0.5 * distance**2)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _codes(smooth: np.ndarray, picture: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the code and the pose of the surroundings of each landmark."""
    _, height, width = smooth.shape
    middle = (picture * height + y) * width + x
    window = (_OFFSETS[:, None] * width + _OFFSETS[None, :]).ravel()
    patches = smooth.ravel()[middle[:, None] + window]
    waves = (patches @ _cosines()).reshape(-1, _FREQUENCIES, _FREQUENCIES)
    # under a mirror image the odd waves along that axis change their sign; under a transposition the axes swap
    down, right = waves[:, 1, 0] < 0, waves[:, 0, 1] < 0
    odd = np.where(np.arange(_FREQUENCIES) % 2, -1.0, 1.0).astype(np.float32)
    waves = waves * np.where(down[:, None], odd, 1.0)[:, :, None] * np.where(right[:, None], odd, 1.0)[:, None, :]
    swapped = waves[:, 1, 0] > waves[:, 0, 1]
    waves[swapped] = waves[swapped].transpose(0, 2, 1)
    pose = (down + 2 * right + 4 * swapped).astype(np.int8)
    flat = waves.reshape(len(waves), -1)[:, 1:] * _whitening()
    length = np.sqrt(np.einsum("nk,nk->n", flat, flat))
    flat /= np.maximum(length, 1e-6)[:, None]
    bits = (flat @ _directions()) > 0
    return np.packbits(bits, axis=1).view(np.uint64).ravel(), pose


@cache
def _cosines() -> np.ndarray:
    positions = np.arange(len(_OFFSETS))
    one = np.cos(np.pi / len(_OFFSETS) * (positions + 0.5) * np.arange(_FREQUENCIES)[:, None])
    return np.einsum("uy,vx->yxuv", one, one).reshape(len(_OFFSETS) ** 2, -1).astype(np.float32)


@cache
def _whitening() -> np.ndarray:
    # the spectrum of pictures falls about as one over the frequency, and that of their blurred form faster
    u, v = np.mgrid[:_FREQUENCIES, :_FREQUENCIES]
    weight = np.hypot(u, v) ** 1.5
    weight[0, 1] = weight[1, 0] = 0.3  # their signs are the same everywhere, so they tell little
    return weight.ravel()[1:].astype(np.float32)


@cache
def _directions() -> np.ndarray:
    return generator_for("copies", "directions").standard_normal((_FREQUENCIES**2 - 1, BITS)).astype(np.float32)


def poses() -> np.ndarray:
    """Return the matrix that each pose applies to (y, x), int64 [8, 2, 2]."""
    matrices = []
    for pose in range(8):
        mirror = np.diag([-1 if pose & 1 else 1, -1 if pose & 2 else 1])
        matrices.append(np.array([[0, 1], [1, 0]]) @ mirror if pose & 4 else mirror)
    return np.array(matrices)
