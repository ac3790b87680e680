"""How well one picture lies on another, by its pixels: the last word on whether two pictures are copies.

The second picture is brought into the orientation of the first; what remains is a scale and a shift along each side, as
in a crop that was enlarged. They are refined by Gauss-Newton together with brightness and contrast (Lucas and Kanade
1981; Baker and Matthews, "Lucas-Kanade 20 Years On", 2004), and the correlation is taken where both pictures are: over
all of it, and in small patches, since two pictures of dark discs on a pale ground may share one disc and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from magsig_tf.data.copies.candidates import Candidates
from magsig_tf.data.copies.landmarks import LEVELS, poses, smoothed
from magsig_tf.data.copies.pictures import SIDE, Pictures

SIDES = (SIDE // 2, SIDE)
"""Pixels at which pictures are aligned, first roughly, then finely."""

STEPS = (6, 2)
SMOOTH = 1.0
"""Standard deviation in pixels of the blur under which pictures are aligned."""

WORTH_A_SECOND_LOOK = 0.45
"""Correlation of the rough alignment below which a pair is given up."""

DETAIL, BACKGROUND = 1 / 80, 3 / 32
"""What is compared lies between blurs of these shares of a side: neither noise nor illumination."""

LEAST_SPREAD = 0.8
"""Standard deviation in grey levels below which an overlap shows nothing."""

PATCH = 8
"""Side in pixels of `SIDE` of the patches that are compared one by one."""

LIVELY = 4.0
"""Standard deviation in grey levels from which a patch of either picture counts."""

ALIKE = 0.5
"""Correlation from which a patch is alike."""


@dataclass(frozen=True)
class Alignments:
    """How pairs of pictures lie on each other.

    Args:
        correlation: Of their detail where both are, -1 to 1; 0 where there is nothing to compare, float64 (n,).
        scale: Sides of the second in sides of the first, along y and x of the first, (n, 2).
        shift: Of the second's middle from the first's, in half sides of the first, (n, 2).
        first_share: Share of the first's area that is compared, (n,).
        second_share: Share of the second's area that is compared, (n,).
        patches: Number of patches that show something in either picture, (n,).
        alike: Share of these in which the pictures are alike, 0 to 1, (n,).
    """

    correlation: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    first_share: np.ndarray
    second_share: np.ndarray
    patches: np.ndarray
    alike: np.ndarray


@dataclass(frozen=True)
class _Views:
    """Pictures at one of `SIDES`, and which of their rows and columns are no even border, bool [n, side]."""

    smooth: np.ndarray
    detail: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, pictures: Pictures, side: int) -> _Views:
        grey = pictures.grey.astype(np.float32)
        fine, coarse = (smoothed(grey, side, side, sd * side) for sd in (DETAIL, BACKGROUND))
        return cls(smoothed(grey, side, side, SMOOTH), fine - coarse, *pictures.rows_and_columns(side))


def align(first: Pictures, second: Pictures, pairs: Candidates) -> Alignments:
    """Lay pictures on each other, from where their landmarks put them.

    Args:
        first: The first picture of each pair.
        second: The second one.
        pairs: How each first one seems to lie on its second; positions in it are not used.
    """
    turned = _turned(second, pairs.pose)
    one, other = (_Views.of(pictures, SIDES[0]) for pictures in (first, turned))
    scale, shift = _refined(one, other, *_start(pairs), STEPS[0])
    rough = _compared(one, other, scale, shift)
    again = np.flatnonzero(rough.correlation >= WORTH_A_SECOND_LOOK)
    if len(again):
        one, other = (_Views.of(pictures.of(again), SIDES[1]) for pictures in (first, turned))
        fine = _compared(one, other, *_refined(one, other, scale[again], shift[again], STEPS[1]))
        for name in Alignments.__dataclass_fields__:
            getattr(rough, name)[again] = getattr(fine, name)
    return rough


def _turned(pictures: Pictures, pose: np.ndarray) -> Pictures:
    """Return pictures as seen along the axes of their partners: value at v is that at `poses()[pose] @ v`."""
    grey, within = np.empty_like(pictures.grey), np.empty_like(pictures.within)
    for number, matrix in enumerate(poses()):
        chosen = pose == number
        seen, (top, bottom, left, right) = pictures.grey[chosen], pictures.within[chosen].T
        # signs of the picture's own y and x
        sign_y, sign_x = matrix.sum(axis=1)
        seen = seen[:, ::sign_y, ::sign_x]
        if sign_y < 0:
            top, bottom = SIDE - bottom, SIDE - top
        if sign_x < 0:
            left, right = SIDE - right, SIDE - left
        if matrix[0, 0] == 0:  # y of the picture is x of the partner
            seen, (top, bottom, left, right) = seen.transpose(0, 2, 1), (left, right, top, bottom)
        grey[chosen], within[chosen] = seen, np.stack([top, bottom, left, right], axis=1)
    return Pictures(grey, within)


def _start(pairs: Candidates) -> tuple[np.ndarray, np.ndarray]:
    stretch = np.array(LEVELS)[pairs.level]
    back = np.einsum("nji,nj->ni", poses()[pairs.pose], pairs.shift)
    scale = SIDE / np.round(SIDE * stretch)
    return scale, -2 * back / SIDE * scale


def _refined(
    one: _Views, other: _Views, scale: np.ndarray, shift: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    slopes = np.gradient(one.smooth, 2 / one.smooth.shape[1], axis=(1, 2))
    near_scale, near_shift = scale, shift
    for _ in range(steps):
        more_scale, more_shift = _step(one, slopes, other, scale, shift)
        # beyond this the start was wrong, and a runaway would only find something smooth
        scale = np.clip(scale + more_scale, near_scale * 0.8, near_scale * 1.25)
        shift = np.clip(shift + more_shift, near_shift - 0.25, near_shift + 0.25)
    return scale, shift


@cache
def _grid(side: int) -> np.ndarray:
    return ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)


def _sampling(scale: np.ndarray, shift: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices that sample one axis linearly where the partner's pixels lie, [n, side, side], and if inside."""
    side = within.shape[1]
    where = scale[:, None].astype(np.float32) * _grid(side) + shift[:, None].astype(np.float32)
    position = (where + 1) * np.float32(side / 2) - np.float32(0.5)
    weight = np.maximum(0, 1 - np.abs(position[:, :, None] - np.arange(side, dtype=np.float32)))
    # a pixel counts where all that it is sampled from lies within
    return weight, np.einsum("nij,nj->ni", weight, within.astype(np.float32)) > 0.999


def _step(
    one: _Views, slopes: list[np.ndarray], other: _Views, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss-Newton step of scale and shift."""
    rows, inside_y = _sampling(scale[:, 0], shift[:, 0], one.rows)
    columns, inside_x = _sampling(scale[:, 1], shift[:, 1], one.columns)
    columns = columns.transpose(0, 2, 1)
    mask = _mask(inside_y & other.rows, inside_x & other.columns)
    seen, down, right = (rows @ picture @ columns * mask for picture in (one.smooth, *slopes))
    v = _grid(mask.shape[1])
    terms = np.stack([seen, mask, down, down * v[:, None], right, right * v], axis=1).reshape(len(mask), 6, -1)
    products = terms @ terms.transpose(0, 2, 1)
    ridge = 1e-4 * np.einsum("nkk->nk", products) + 1e-3
    products += ridge[:, :, None] * np.eye(6, dtype=np.float32)
    answers = terms @ other.smooth.reshape(len(mask), -1, 1)
    solved = np.linalg.solve(products, answers)[:, :, 0]
    gain = np.where(solved[:, 0] > 0.1, solved[:, 0], np.inf)[:, None]
    return solved[:, [3, 5]] / gain, solved[:, [2, 4]] / gain


def _mask(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return rows.astype(np.float32)[:, :, None] * columns.astype(np.float32)[:, None, :]


def _compared(one: _Views, other: _Views, scale: np.ndarray, shift: np.ndarray) -> Alignments:
    rows, inside_y = _sampling(scale[:, 0], shift[:, 0], one.rows)
    columns, inside_x = _sampling(scale[:, 1], shift[:, 1], one.columns)
    mask = _mask(inside_y & other.rows, inside_x & other.columns)
    seen = rows @ one.detail @ columns.transpose(0, 2, 1)
    correlation, spread, _ = _correlated(seen, other.detail, mask, mask.shape[1])
    correlation = np.where(spread.min(axis=0) >= LEAST_SPREAD, correlation, 0.0)[:, 0, 0]
    local, spread, inside = _correlated(seen, other.detail, mask, PATCH)
    lively = (spread.max(axis=0) >= LIVELY) & (inside >= 0.75)
    patches = lively.sum(axis=(1, 2))
    alike = ((local >= ALIKE) & lively).sum(axis=(1, 2)) / np.maximum(patches, 1)
    second_share = mask.mean(axis=(1, 2))
    first_share = second_share * np.abs(scale).prod(axis=1)
    return Alignments(correlation, scale, shift, first_share, second_share, patches, alike)


def _correlated(
    one: np.ndarray, other: np.ndarray, mask: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the correlation in each patch of `side` pixels, both standard deviations, and the share that is inside.

    Args:
        one: [n, N, N].
        other: The same.
        mask: 1 where both are to be compared, else 0.
        side: Divides N.

    Returns:
        Shapes [n, N / side, N / side], [2, n, N / side, N / side] and [n, N / side, N / side].
    """
    parts = mask.shape[1] // side

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(mask), parts, side, parts, side).mean(axis=(2, 4))

    inside = mean(mask)
    weight = np.maximum(inside, 1 / side**2)
    left, right = mean(one * mask) / weight, mean(other * mask) / weight
    squares = mean(one * one * mask) / weight - left**2, mean(other * other * mask) / weight - right**2
    spread = np.sqrt(np.maximum(np.stack(squares), 1e-6))
    product = mean(one * other * mask) / weight - left * right
    return product / (spread[0] * spread[1]), spread, inside
