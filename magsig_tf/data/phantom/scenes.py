"""The tissue of one case, laid out in micrometres: nuclei on a jittered lattice, gaps, fibre direction.

A scene knows nothing of magnification or pixels. It is endless: nuclei and gaps repeat with periods far beyond a field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from magsig_tf.data.phantom.cases import Case
from magsig_tf.data.phantom.nuclei import Nuclei
from magsig_tf.seeding import generator_for

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
        density = _bilinear(self.density, x * (TISSUE_GRID / TISSUE_PERIOD_UM), y * (TISSUE_GRID / TISSUE_PERIOD_UM))
        return 1 / (1 + np.exp(-GAP_SHARPNESS * (density - GAP_LEVEL)))

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
        nuclei = replace(
            nuclei, x=cosine * dx + sine * dy, y=cosine * dy - sine * dx, direction=nuclei.direction - angle
        )
        width, height = nuclei.half_extents(margin)
        kept = (np.abs(nuclei.x) - width < half_side) & (np.abs(nuclei.y) - height < half_side)
        kept[kept] = self.tissue_at(centre_x[kept], centre_y[kept]) > 0.5
        return nuclei.take(kept)


@lru_cache(maxsize=8)
def build_scene(seed: int, case: Case) -> Scene:
    """Lay out the tissue of a case; the same seed and case give the same scene."""
    random = generator_for("phantom", seed, case.cohort, case.number, "scene")
    density = gaussian_filter(
        random.standard_normal((TISSUE_GRID, TISSUE_GRID), dtype=np.float32),
        GAP_SCALE_UM / TISSUE_PERIOD_UM * TISSUE_GRID,
        mode="wrap",
    )
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
    scale = TISSUE_GRID / TISSUE_PERIOD_UM
    best = int(np.argmax(_bilinear(scene.density, x * scale, y * scale)))
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


def _bilinear(grid: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a periodic grid's values between its points; x and y are in grid steps."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    column, row, side = column % len(grid), row % len(grid), len(grid)
    next_column, next_row = (column + 1) % side, (row + 1) % side
    upper = grid[row, column] * (1 - right) + grid[row, next_column] * right
    lower = grid[next_row, column] * (1 - right) + grid[next_row, next_column] * right
    return upper * (1 - down) + lower * down
