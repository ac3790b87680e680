"""The tissue of one case in micrometres: nuclei as outlines on a jittered lattice, gaps, fibre direction.

A scene knows nothing of magnification or pixels. It is endless: nuclei and gaps repeat with periods far beyond a field.

An outline is a circle with three lobes, stretched along one axis and squeezed along the other: in stretched polar
coordinates `r(t) = R (1 + a cos 3(t - t0)) / sqrt(1 + a^2 / 2)`. The root keeps the area at pi R^2 for any lobe depth
a, and stretching by s and 1/s keeps it too, so neither shape factor changes nuclear area.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from magsig_tf.data.phantom.cases import Case
from magsig_tf.seeding import generator_for


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
    centre, half = np.stack([nuclei.x, nuclei.y]), np.stack(nuclei.half_extents(margin))
    first = np.ceil((centre - half) / pitch + middle).astype(np.int64)
    last = np.floor((centre + half) / pitch + middle).astype(np.int64) + 1
    if not whole:
        first, last = np.clip(first, 0, points), np.clip(last, 0, points)
    (left, top), (right, bottom) = first, np.maximum(first, last)  # empty spans have equal ends
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


LATTICE = 64
"""Lattice cells along each side of a scene's period."""

OCCUPANCY = 0.93
"""Share of lattice cells that hold a nucleus."""

TISSUE_PERIOD_UM = 768.0
"""Period of the gaps. Fixed, since a period in lattice cells would make gap size follow the class through crowding."""

TISSUE_GRID = 128
GAP_SCALE_UM = 30.0
GAP_LEVEL = -1.1
GAP_SHARPNESS = 10.0
SITE_CANDIDATES = 4


@dataclass(frozen=True)
class Scene:
    """The tissue of one case.

    Args:
        case: The case.
        spacing_um: Side of a lattice cell, micrometres.
        nuclei: LATTICE * LATTICE nuclei; x and y are offsets from the cell's corner in cells.
        occupied: Which cells hold a nucleus, bool [LATTICE * LATTICE].
        density: Smooth field of unit variance [TISSUE_GRID, TISSUE_GRID]; gaps lie where it is below GAP_LEVEL.
        fibre_direction: Radians.
        texture_offset: Where this case reads the shared textures, micrometres, shape [2].
    """

    case: Case
    spacing_um: float
    nuclei: Nuclei
    occupied: np.ndarray
    density: np.ndarray
    fibre_direction: float
    texture_offset: np.ndarray

    @cached_property
    def _longest(self) -> tuple[float, float]:
        """How far any nucleus reaches from its centre, micrometres, and how much any is stretched."""
        nuclei = self.nuclei
        return float(np.max(nuclei.scale * (1 + nuclei.lobe) * nuclei.stretch)), float(np.max(nuclei.stretch))

    def tissue_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the share of tissue, 0 (gap) to 1, at points in micrometres."""
        return 1 / (1 + np.exp(-GAP_SHARPNESS * (self.density_at(x, y) - GAP_LEVEL)))

    def density_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the density at points in micrometres, between the points of its periodic grid."""
        grid, side, scale = self.density, TISSUE_GRID, TISSUE_GRID / TISSUE_PERIOD_UM
        x, y = x * scale, y * scale
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
        column, row, next_column, next_row = column % side, row % side, (column + 1) % side, (row + 1) % side
        upper = grid[row, column] * (1 - right) + grid[row, next_column] * right
        lower = grid[next_row, column] * (1 - right) + grid[next_row, next_column] * right
        return upper * (1 - down) + lower * down

    def nuclei_near(self, x: float, y: float, angle: float, half_side: float, margin: float) -> Nuclei:
        """Return the nuclei that reach into a square field, in the field's frame.

        Args:
            x, y: Centre of the field, micrometres.
            angle: How far the field is turned, radians.
            half_side: Half the side of the field, micrometres.
            margin: How far outside its outline a nucleus still counts, micrometres.

        Returns:
            Whole nuclei: one stands where its centre is in tissue, and is never cut by a gap.
        """
        length, stretch = self._longest
        reach = half_side * np.sqrt(2) + length + margin * stretch
        column, row = np.meshgrid(*(_cells(centre, reach, self.spacing_um) for centre in (x, y)))
        column, row = column.ravel(), row.ravel()
        cell = (row % LATTICE) * LATTICE + column % LATTICE
        kept = self.occupied[cell]
        column, row, nuclei = column[kept], row[kept], self.nuclei.take(cell[kept])
        centre_x, centre_y = (column + nuclei.x) * self.spacing_um, (row + nuclei.y) * self.spacing_um
        cosine, sine = np.cos(angle), np.sin(angle)
        dx, dy = centre_x - x, centre_y - y
        turned = nuclei.direction - angle
        nuclei = replace(nuclei, x=cosine * dx + sine * dy, y=cosine * dy - sine * dx, direction=turned)
        width, height = nuclei.half_extents(margin)
        kept = (np.abs(nuclei.x) - width < half_side) & (np.abs(nuclei.y) - height < half_side)
        kept[kept] = self.tissue_at(centre_x[kept], centre_y[kept]) > 0.5
        return nuclei.take(kept)


@lru_cache(maxsize=8)
def build_scene(seed: int, case: Case) -> Scene:
    """Lay out the tissue of a case; the same seed and case give the same scene."""
    random = generator_for("phantom", seed, case.cohort, case.number, "scene")
    white = random.standard_normal((TISSUE_GRID, TISSUE_GRID), dtype=np.float32)
    density = gaussian_filter(white, GAP_SCALE_UM / TISSUE_PERIOD_UM * TISSUE_GRID, mode="wrap")
    nuclei = _draw_nuclei(case, random)
    return Scene(
        case=case,
        spacing_um=float(case.nuclear_radius_um * np.sqrt(np.pi * OCCUPANCY / case.nuclear_fraction)),
        nuclei=nuclei,
        occupied=random.random(len(nuclei)) < OCCUPANCY,
        density=density / density.std(),
        fibre_direction=float(random.random() * np.pi),
        texture_offset=random.random(2) * 1000,
    )


def site_of(seed: int, scene: Scene, tile: int) -> tuple[float, float]:
    """Return the centre of a site, micrometres: the candidate with the densest tissue, as one who looks would pick."""
    random = generator_for("phantom", seed, scene.case.cohort, scene.case.number, "site", tile)
    x, y = random.random((2, SITE_CANDIDATES)) * TISSUE_PERIOD_UM
    best = int(np.argmax(scene.density_at(x, y)))
    return float(x[best]), float(y[best])


def _draw_nuclei(case: Case, random: np.random.Generator) -> Nuclei:
    cells = LATTICE * LATTICE
    size = np.exp(case.pleomorphism * np.clip(random.standard_normal(cells), -2.5, 2.5))
    # dividing by the root mean square keeps the mean AREA at pi r^2 whatever the pleomorphism and the clipping
    radius = case.nuclear_radius_um * size / np.sqrt(np.mean(size**2))
    stray = 0.8 * case.disorder * np.clip(random.standard_normal((2, cells)), -1.8, 1.8)
    elongation = np.minimum(np.abs(random.standard_normal(cells)), 2.2) * (0.10 + 0.40 * case.irregularity)
    turn = random.random(cells) * np.pi * case.disorder / 0.46
    lobe = np.minimum(np.abs(random.standard_normal(cells)) * (0.02 + 0.13 * case.irregularity), 0.4)
    return Nuclei(
        x=0.5 + stray[0],
        y=0.5 + stray[1],
        radius=radius,
        stretch=np.exp(elongation / 2),
        direction=turn + random.random() * np.pi,
        lobe=lobe,
        lobe_phase=random.random(cells) * 2 * np.pi,
        darkness=np.clip(1 + 0.18 * random.standard_normal(cells), 0.5, 1.5),
    )


def _cells(centre: float, reach: float, spacing: float) -> np.ndarray:
    # one cell more on each side: a nucleus may stray that far from its own cell
    return np.arange(int(np.floor((centre - reach) / spacing)) - 1, int(np.floor((centre + reach) / spacing)) + 2)
