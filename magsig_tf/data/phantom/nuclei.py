"""Nuclei as outlines in micrometres, and the grid points that lie in or near them.

An outline is a circle with three lobes, stretched along one axis and squeezed along the other: in stretched polar
coordinates `r(t) = R (1 + a cos 3(t - t0)) / sqrt(1 + a^2 / 2)`. The root keeps the area at pi R^2 for any lobe depth
a, and stretching by s and 1/s keeps it too, so neither shape factor changes nuclear area.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Nuclei:
    """A set of n nuclei in one frame of reference; every attribute is a float array of shape [n].

    Args:
        x, y: Centres, micrometres.
        radius: Radius R of the circle of equal area, micrometres.
        stretch: Square root of the aspect ratio, 1 or more.
        direction: Angle of the long axis, radians.
        lobe: Lobe depth a, 0 to 0.4.
        lobe_phase: 3 t0, radians.
        darkness: Relative haematoxylin content, about 1.
    """

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    stretch: np.ndarray
    direction: np.ndarray
    lobe: np.ndarray
    lobe_phase: np.ndarray
    darkness: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def take(self, keep: np.ndarray) -> Nuclei:
        """Return the nuclei that a mask or an index array picks."""
        return Nuclei(*(getattr(self, field.name)[keep] for field in fields(self)))

    @property
    def scale(self) -> np.ndarray:
        """Mean outline radius after the lobes' area is taken off, micrometres."""
        return self.radius / np.sqrt(1 + self.lobe**2 / 2)

    def half_extents(self, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Return half the width and height, micrometres, of boxes that hold the outlines grown by a margin."""
        reach = self.scale * (1 + self.lobe) + margin
        long, short = reach * self.stretch, reach / self.stretch
        cosine, sine = np.cos(self.direction), np.sin(self.direction)
        return np.hypot(long * cosine, short * sine), np.hypot(long * sine, short * cosine)


@dataclass(frozen=True)
class Touched:
    """Pairs of a grid point and a nucleus that it lies in or near; arrays of shape [pairs].

    Args:
        column, row: The grid point.
        nucleus: Index of the nucleus.
        depth: How far inside the outline the point lies (negative outside), micrometres in stretched coordinates.
    """

    column: np.ndarray
    row: np.ndarray
    nucleus: np.ndarray
    depth: np.ndarray


def touch(nuclei: Nuclei, points: int, pitch: float, margin: float, whole: bool) -> Touched:
    """Find the grid points in or near each nucleus.

    Args:
        nuclei: n nuclei in the frame of the grid, whose centre is the origin.
        points: Grid points along each side.
        pitch: Distance between grid points, micrometres.
        margin: How far outside an outline points are still wanted, micrometres.
        whole: Whether to extend the grid beyond its sides, so that every nucleus is seen whole.

    Returns:
        The pairs, ordered by nucleus.
    """
    middle = (points - 1) / 2
    width, height = nuclei.half_extents(margin)
    left, right = _span(nuclei.x, width, pitch, middle, points, whole)
    top, bottom = _span(nuclei.y, height, pitch, middle, points, whole)
    columns, counts = right - left, (right - left) * (bottom - top)

    # every nucleus has a box of its own size: one flat run over all boxes, without a loop over nuclei
    nucleus = np.repeat(np.arange(len(nuclei)), counts)
    within = np.arange(counts.sum(), dtype=np.int32) - np.repeat(np.cumsum(counts) - counts, counts).astype(np.int32)
    row, column = np.divmod(within, columns.astype(np.int32)[nucleus])
    column += left.astype(np.int32)[nucleus]
    row += top.astype(np.int32)[nucleus]
    depth = _depth(nuclei, nucleus, (column - middle) * pitch, (row - middle) * pitch)
    near = depth > -margin
    return Touched(column[near], row[near], nucleus[near], depth[near])


def _span(
    centre: np.ndarray, half: np.ndarray, pitch: float, middle: float, points: int, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return first and one-past-last grid index of intervals; empty ones have equal ends."""
    first = np.ceil((centre - half) / pitch + middle).astype(np.int64)
    last = np.floor((centre + half) / pitch + middle).astype(np.int64) + 1
    if not whole:
        first, last = np.clip(first, 0, points), np.clip(last, 0, points)
    return first, np.maximum(first, last)


def _depth(nuclei: Nuclei, nucleus: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    def of(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[nucleus]

    dx, dy = x.astype(np.float32) - of(nuclei.x), y.astype(np.float32) - of(nuclei.y)
    cosine, sine = np.cos(nuclei.direction), np.sin(nuclei.direction)
    along = dx * of(cosine / nuclei.stretch) + dy * of(sine / nuclei.stretch)
    across = dy * of(cosine * nuclei.stretch) - dx * of(sine * nuclei.stretch)
    distance = np.sqrt(along * along + across * across + np.float32(1e-6))
    c, s = along / distance, across / distance
    # cos 3t and sin 3t from cos t and sin t spare an arctangent per point
    cosine_3t, sine_3t = c * (4 * c * c - 3), s * (3 - 4 * s * s)
    lobe = nuclei.scale * nuclei.lobe
    lobes = cosine_3t * of(lobe * np.cos(nuclei.lobe_phase)) + sine_3t * of(lobe * np.sin(nuclei.lobe_phase))
    return of(nuclei.scale) + lobes - distance
