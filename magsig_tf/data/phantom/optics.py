"""From stained tissue to a picture: objectives, stains, lamp and camera.

Sources: blur of a diffraction-limited objective 0.21 wavelength / NA (Zhang et al. 2007, Appl. Opt. 46:1819); stain
vectors near those of Ruifrok and Johnston 2001 (Anal. Quant. Cytol. Histol. 23:291); light falls as 10^-OD
(Beer-Lambert).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from magsig_tf.data.phantom.cases import Case
from magsig_tf.seeding import generator_for

WAVELENGTH_UM = 0.55
EDGE_SOFTNESS_UM = 0.15
TEXTURE_PITCH_UM = 0.25
TEXTURE_POINTS = 1024


@dataclass(frozen=True)
class Objective:
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
        return float(
            np.sqrt(
                (0.21 * WAVELENGTH_UM / self.numerical_aperture) ** 2
                + (0.45 * pixel_size_um) ** 2
                + EDGE_SOFTNESS_UM**2
            )
        )


OBJECTIVES = {
    "40X": Objective(0.10, (0.02, 0.00, -0.03), 0.050, 0.70, 0.010),
    "100X": Objective(0.25, (0.01, 0.00, -0.01), 0.025, 0.52, 0.012),
    "200X": Objective(0.40, (-0.01, 0.00, 0.01), 0.025, 0.47, 0.015),
    "400X": Objective(0.65, (-0.03, -0.01, 0.03), 0.025, 0.45, 0.020),
}


@dataclass(frozen=True)
class Textures:
    """Periodic fields of unit variance before the pixel's blur, float32 [TEXTURE_POINTS, TEXTURE_POINTS].

    Args:
        chromatin: Isotropic clumps of about 0.6 um.
        fibres: Strands of about 0.75 by 4.5 um.
    """

    chromatin: np.ndarray
    fibres: np.ndarray

    @staticmethod
    def read(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the nearest values of a field at points in micrometres."""
        scale, last = np.float32(1 / TEXTURE_PITCH_UM), TEXTURE_POINTS - 1
        return field[np.floor(y * scale).astype(np.int32) & last, np.floor(x * scale).astype(np.int32) & last]


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
    return (
        np.float32(case.haematoxylin) * haematoxylin[..., None] * haematoxylin_vector
        + np.float32(case.eosin) * eosin[..., None] * eosin_vector
    )


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
