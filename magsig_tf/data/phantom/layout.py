"""Which image stands in which row: the manifest and the known truth, without a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from magsig_tf.data.phantom.cases import INVARIANT_FACTORS, NUISANCE_FACTORS, Case, draw_cases
from magsig_tf.data.phantom.settings import MAGNIFICATIONS, PhantomSettings
from magsig_tf.errors import DataError


@dataclass(frozen=True)
class PhantomRow:
    """One image: a site of a case seen through one objective.

    Args:
        path: The manifest's path; rows are sorted by it.
        case: The case.
        magnification: One of `MAGNIFICATIONS`.
        tile: Number of the site within the case; the same site at all magnifications.
    """

    path: str
    case: Case
    magnification: str
    tile: int


@lru_cache(maxsize=4)
def phantom_rows(settings: PhantomSettings) -> tuple[PhantomRow, ...]:
    """Return the images of a phantom, sorted by path."""
    digits = max(2, len(str(2 * settings.tiles - 1)))
    rows = [
        PhantomRow(
            f"phantom/{case.cohort}/{case.name}/{magnification}/tile-{tile:0{digits}d}.png", case, magnification, tile
        )
        for case in draw_cases(settings)
        for magnification in MAGNIFICATIONS
        for tile in range(tiles_of(settings, case, magnification))
    ]
    return tuple(sorted(rows, key=lambda row: row.path))


def tiles_of(settings: PhantomSettings, case: Case, magnification: str) -> int:
    """Return how many tiles a case has at a magnification (see `PhantomSettings.confounding`)."""
    if case.cohort == "test":
        return settings.tiles
    position = np.linspace(-1, 1, len(MAGNIFICATIONS))[MAGNIFICATIONS.index(magnification)]
    share = 1 + settings.confounding * position * (1 if case.malignant else -1)
    return int(np.rint(settings.tiles * share))


def check_rows(settings: PhantomSettings, rows: Sequence[int]) -> np.ndarray:
    """Return row numbers as an integer array.

    Raises:
        DataError: If a number is no whole number or the phantom has no such row.
    """
    numbers = np.asarray(rows)
    if numbers.size == 0:
        return np.zeros(0, np.int64)
    images = len(phantom_rows(settings))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= images:
        raise DataError(f"Row numbers of this phantom are whole numbers from 0 to {images - 1}", f"Found {rows!r}")
    return numbers.astype(np.int64)


def phantom_manifest(settings: PhantomSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the manifest and the known truth of a phantom; no image is rendered.

    Args:
        settings: The phantom.

    Returns:
        Two frames with one row per image in the same order (sorted by path, index 0..N-1). The manifest lacks what only
        pixels can tell (hashes and colours); the truth holds the factors of the image's case and the geometry of its
        magnification. `measure_rows` adds what the rendered masks realise.
    """
    rows = phantom_rows(settings)
    common = {
        "path": [row.path for row in rows],
        "label": ["malignant" if row.case.malignant else "benign" for row in rows],
        "magnification": [row.magnification for row in rows],
        "case": [row.case.name for row in rows],
        "cohort": [row.case.cohort for row in rows],
    }
    manifest = pd.DataFrame(
        {
            **common,
            "subtype": "",
            "slide": common["case"],
            "sequence": [row.path.rsplit("-", 1)[1].removesuffix(".png") for row in rows],
            "width": settings.size,
            "height": settings.size,
            "origin": "phantom",
        }
    )
    truth = pd.DataFrame(
        {
            **common,
            "site": [row.tile for row in rows],
            "grade": [row.case.grade for row in rows],
            **{name: [getattr(row.case, name) for row in rows] for name in INVARIANT_FACTORS + NUISANCE_FACTORS},
            "field_um": [settings.field_um(row.magnification) for row in rows],
            "pixel_size_um": [settings.pixel_size_um(row.magnification) for row in rows],
        }
    )
    return manifest, truth
