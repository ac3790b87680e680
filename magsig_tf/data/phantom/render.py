"""Rows of a phantom as pixels, a pure function of settings and row; and what the drawn nuclei really cover.

A picture is stained tissue seen through an objective: stains, lamp and camera. Sources: blur of a diffraction-limited
objective 0.21 wavelength / NA (Zhang et al. 2007, Appl. Opt. 46:1819); stain vectors near those of Ruifrok and Johnston
2001 (Anal. Quant. Cytol. Histol. 23:291); light falls as 10^-OD (Beer-Lambert).

What nuclei cover is measured on hard masks, of the same outlines in the same fields as the pixels. Points are counted
on a grid of about one micrometre at every magnification (point counting estimates area without bias at any spacing:
Delesse's principle).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from magsig_tf.data.phantom.cases import Case, PhantomRow, check_rows, phantom_rows
from magsig_tf.data.phantom.scenes import Nuclei, Scene, build_scene, site_of, touch
from magsig_tf.data.phantom.settings import PhantomSettings
from magsig_tf.seeding import generator_for

WAVELENGTH_UM = 0.55
EDGE_SOFTNESS_UM = 0.15
TEXTURE_PITCH_UM = 0.25
TEXTURE_POINTS = 1024


class Objective(NamedTuple):
    """What one magnification adds to a picture.

    Args:
        numerical_aperture: NA.
        cast: Relative change of red, green and blue at `colour_cast` 1.
        vignetting: Relative loss of light at the middle of a side at `colour_cast` 1.
        defocus_um: Standard deviation of the defocus blur over tiles, micrometres in the tissue.
        noise: Standard deviation of the camera noise, relative to white.
    """

    numerical_aperture: float
    cast: tuple[float, float, float]
    vignetting: float
    defocus_um: float
    noise: float

    def edge_width_um(self, pixel_size_um: float) -> float:
        """Return the standard deviation of an edge's blur: diffraction, pixel and tissue."""
        diffraction = 0.21 * WAVELENGTH_UM / self.numerical_aperture
        return float(np.sqrt(diffraction**2 + (0.45 * pixel_size_um) ** 2 + EDGE_SOFTNESS_UM**2))


OBJECTIVES = {
    "40X": Objective(0.10, (0.02, 0.00, -0.03), 0.050, 0.70, 0.010),
    "100X": Objective(0.25, (0.01, 0.00, -0.01), 0.025, 0.52, 0.012),
    "200X": Objective(0.40, (-0.01, 0.00, 0.01), 0.025, 0.47, 0.015),
    "400X": Objective(0.65, (-0.03, -0.01, 0.03), 0.025, 0.45, 0.020),
}


class Textures(NamedTuple):
    """Periodic fields of unit variance before the pixel's blur, float32 [TEXTURE_POINTS, TEXTURE_POINTS].

    Args:
        chromatin: Isotropic clumps of about 0.6 um.
        fibres: Strands of about 0.75 by 4.5 um.
    """

    chromatin: np.ndarray
    fibres: np.ndarray


@lru_cache(maxsize=8)
def textures_for(pixel_size_um: float) -> Textures:
    """Return the textures blurred to what a pixel size can show."""
    blur = 0.4 * pixel_size_um / TEXTURE_PITCH_UM
    return Textures(*(gaussian_filter(field, blur, mode="wrap", truncate=3) for field in _sharp_textures()))


@lru_cache(maxsize=1)
def _sharp_textures() -> tuple[np.ndarray, np.ndarray]:
    # the same texture for all phantoms: cases differ by where they read it
    white = generator_for("phantom", "texture").standard_normal((TEXTURE_POINTS, TEXTURE_POINTS), dtype=np.float32)
    fields = (gaussian_filter(white, sigma, mode="wrap", truncate=3) for sigma in (2.4, (3, 18)))
    return tuple(field / field.std() for field in fields)


def _texture_at(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the nearest values of a field at points in micrometres."""
    scale, last = np.float32(1 / TEXTURE_PITCH_UM), TEXTURE_POINTS - 1
    return field[np.floor(y * scale).astype(np.int32) & last, np.floor(x * scale).astype(np.int32) & last]


def optical_density(case: Case, haematoxylin: np.ndarray, eosin: np.ndarray) -> np.ndarray:
    """Return the optical density in red, green and blue.

    Args:
        case: Its stain amounts and hue are used.
        haematoxylin, eosin: Relative stain densities, shape [rows, columns].

    Returns:
        float32, shape [rows, columns, 3].
    """
    hue = case.hue
    haematoxylin_vector = np.array([0.65 + 0.05 * hue, 0.70, 0.29 - 0.05 * hue], np.float32)
    eosin_vector = np.array([0.09 + 0.02 * hue, 0.95, 0.20 - 0.03 * hue], np.float32)
    density = np.float32(case.haematoxylin) * haematoxylin[..., None] * haematoxylin_vector
    return density + np.float32(case.eosin) * eosin[..., None] * eosin_vector


def photograph(
    density: np.ndarray,
    case: Case,
    objective: Objective,
    pixel_size_um: float,
    colour_cast: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Turn optical density into the camera's picture.

    Args:
        density: Optical density, float32 [size, size, 3].
        case: Its gain sets the lamp.
        objective: The magnification's objective.
        pixel_size_um: Side of a pixel, micrometres.
        colour_cast: Strength of white balance and vignetting.
        random: The tile's generator: exposure, white balance, defocus and noise are drawn from it, in this order.

    Returns:
        uint8, shape [size, size, 3].
    """
    exposure = 0.94 + 0.02 * case.gain + 0.015 * random.standard_normal()
    balance = 1 + colour_cast * np.array(objective.cast) + 0.012 * random.standard_normal(3)
    defocus = abs(random.standard_normal()) * objective.defocus_um / pixel_size_um
    across = np.linspace(-1, 1, len(density), dtype=np.float32) ** 2
    shade = 1 - np.float32(colour_cast * objective.vignetting) * (across[:, None] + across[None, :])
    light = np.exp(density * np.float32(-np.log(10))) * (exposure * balance).astype(np.float32) * shade[..., None]
    if defocus > 0.3:  # below that a kernel of whole pixels changes nothing
        light = gaussian_filter(light, (defocus, defocus, 0), truncate=3)
    light += random.standard_normal(light.shape, dtype=np.float32) * np.float32(objective.noise)
    return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)


EDGE_REACH = 3.5
"""Edge widths outside an outline after which a nucleus is taken to add nothing (its coverage there is 0.3 %)."""


def render_rows(settings: PhantomSettings, rows: Sequence[int]) -> np.ndarray:
    """Render images of a phantom.

    Each image is drawn by itself from generators named after it, so any rows may be rendered in any order, in any
    process, and come out the same. Rows of one case are cheapest together: its tissue is laid out once.

    Args:
        settings: The phantom.
        rows: Row numbers of `phantom_manifest`, in any order.

    Returns:
        uint8, shape [len(rows), size, size, 3].

    Raises:
        DataError: If the phantom has no such row.
    """
    numbers = check_rows(settings, rows)
    known = phantom_rows(settings)
    images = np.empty((len(numbers), settings.size, settings.size, 3), np.uint8)
    for position in np.argsort(numbers, kind="stable"):  # rows of one case are neighbours
        images[position] = _render(settings, known[numbers[position]])
    return images


def view_of(
    settings: PhantomSettings, row: PhantomRow
) -> tuple[Scene, tuple[float, float, float], np.random.Generator]:
    """Return the scene of a row, where its field lies (x and y in micrometres, angle) and the row's generator."""
    case = row.case
    scene = build_scene(settings.seed, case)
    random = generator_for("phantom", settings.seed, case.cohort, case.number, row.magnification, row.tile)
    angle = float(random.random() * 2 * np.pi)
    return scene, (*site_of(settings.seed, scene, row.tile), angle), random


def _render(settings: PhantomSettings, row: PhantomRow) -> np.ndarray:
    scene, (site_x, site_y, angle), random = view_of(settings, row)
    objective, pixel = OBJECTIVES[row.magnification], settings.pixel_size_um(row.magnification)
    edge = objective.edge_width_um(pixel)
    nuclei = scene.nuclei_near(site_x, site_y, angle, settings.size * pixel / 2, EDGE_REACH * edge)
    cover = _nuclear_density(nuclei, settings.size, pixel, edge)

    across = ((np.arange(settings.size) - (settings.size - 1) / 2) * pixel).astype(np.float32)
    x, y = _turn(across[None, :], across[:, None], angle)
    x, y = x + np.float32(site_x), y + np.float32(site_y)
    tissue = np.maximum(scene.tissue_at(x, y), np.minimum(cover, 1))
    x, y = x + np.float32(scene.texture_offset[0]), y + np.float32(scene.texture_offset[1])
    textures = textures_for(pixel)
    chromatin = _texture_at(textures.chromatin, x, y)
    fibres = _texture_at(textures.fibres, *_turn(x, y, -scene.fibre_direction))
    haematoxylin = np.minimum(cover, 1.5) * (1 + np.float32(0.22) * chromatin)
    eosin = tissue * (1 + np.float32(0.25) * fibres) * (1 - np.float32(0.45) * np.clip(haematoxylin, 0, 1))
    density = optical_density(row.case, haematoxylin + np.float32(0.05) * tissue, eosin)
    return photograph(density, row.case, objective, pixel, settings.colour_cast, random)


def _nuclear_density(nuclei: Nuclei, size: int, pixel: float, edge: float) -> np.ndarray:
    """Return the summed haematoxylin of blurred nuclei with a darker rim, float32 [size, size]."""
    near = touch(nuclei, size, pixel, EDGE_REACH * edge, whole=False)
    # the logistic curve stands in for the normal one: 1 / (1 + exp(-1.7 t))
    coverage = 1 / (1 + np.exp(np.float32(-1.7 / edge) * near.depth))
    rim = np.exp(-np.square((near.depth - np.float32(0.5)) * np.float32(1 / (0.5 + edge))))
    # a nucleus smaller than the blur is paler, not larger
    darkness = nuclei.darkness * np.minimum(1, (nuclei.radius / (0.8 * edge)) ** 2)
    amount = coverage * (np.float32(0.8) + np.float32(0.25) * rim) * darkness.astype(np.float32)[near.nucleus]
    return np.bincount(near.row * size + near.column, amount, size * size).reshape(size, size).astype(np.float32)


def _turn(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x - sine * y, sine * x + cosine * y


MASK_PITCH_UM = 1.0
MEASURED = ("realised_nuclear_area_um2", "realised_nuclear_fraction", "realised_nuclei", "tissue_fraction")


def measure_rows(settings: PhantomSettings, rows: Sequence[int]) -> pd.DataFrame:
    """Measure the masks of images of a phantom.

    Args:
        settings: The phantom.
        rows: Row numbers of `phantom_manifest`, in any order.

    Returns:
        One row per image, index = row number: `realised_nuclear_area_um2`, the mean area of the nuclei whose centre
        lies in the field, each measured whole, also beyond the border and under another nucleus (NaN if there is
        none); `realised_nuclear_fraction`, the share of the field's tissue under nuclei, overlaps counted once (NaN in
        a field without tissue); `realised_nuclei`, how many centres lie in the field; `tissue_fraction`, the share of
        the field that is no gap.

    Raises:
        DataError: If the phantom has no such row.
    """
    numbers = check_rows(settings, rows)
    known = phantom_rows(settings)
    measured = {number: _measure(settings, known[number]) for number in np.unique(numbers).tolist()}
    frame = pd.DataFrame([measured[number] for number in numbers.tolist()], index=numbers, columns=list(MEASURED))
    return frame.astype({"realised_nuclei": "int64"})


def _measure(settings: PhantomSettings, row: PhantomRow) -> tuple[float, float, int, float]:
    scene, (site_x, site_y, angle), _ = view_of(settings, row)
    side = settings.field_um(row.magnification)
    points = max(1, round(side / MASK_PITCH_UM))
    pitch = side / points
    nuclei = scene.nuclei_near(site_x, site_y, angle, side / 2, 0.0)
    inside = touch(nuclei, points, pitch, 0.0, whole=True)

    areas = np.bincount(inside.nucleus, minlength=len(nuclei)) * pitch**2
    counted = (np.abs(nuclei.x) <= side / 2) & (np.abs(nuclei.y) <= side / 2)

    in_field = (inside.row >= 0) & (inside.row < points) & (inside.column >= 0) & (inside.column < points)
    covered = np.zeros((points, points), bool)
    covered[inside.row[in_field], inside.column[in_field]] = True
    across = (np.arange(points) - (points - 1) / 2) * pitch
    cosine, sine = np.cos(angle), np.sin(angle)
    x = site_x + cosine * across[None, :] - sine * across[:, None]
    y = site_y + sine * across[None, :] + cosine * across[:, None]
    tissue = covered | (scene.tissue_at(x, y) > 0.5)
    area = float(areas[counted].mean()) if counted.any() else float("nan")
    share = float(covered.sum() / tissue.sum()) if tissue.any() else float("nan")
    return area, share, int(counted.sum()), float(tissue.mean())
