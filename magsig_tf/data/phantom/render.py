"""Rows of a phantom as pixels: a pure function of settings and row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magsig_tf.data.phantom.layout import PhantomRow, check_rows, phantom_rows
from magsig_tf.data.phantom.nuclei import Nuclei, touch
from magsig_tf.data.phantom.optics import OBJECTIVES, Textures, optical_density, photograph, textures_for
from magsig_tf.data.phantom.scenes import Scene, build_scene, site_of
from magsig_tf.data.phantom.settings import PhantomSettings
from magsig_tf.seeding import generator_for

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
    chromatin, fibres = _read_textures(scene, textures_for(pixel), x, y)
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


def _read_textures(scene: Scene, textures: Textures, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = x + np.float32(scene.texture_offset[0]), y + np.float32(scene.texture_offset[1])
    along, across = _turn(x, y, -scene.fibre_direction)
    return textures.read(textures.chromatin, x, y), textures.read(textures.fibres, along, across)


def _turn(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x - sine * y, sine * x + cosine * y
