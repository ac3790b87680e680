"""What the drawn nuclei really cover, measured on hard masks whose resolution does not depend on pixel size.

The masks come from the same outlines in the same fields as the pixels. Points are counted on a grid of about one
micrometre at every magnification (point counting estimates area without bias at any spacing: Delesse's principle).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magsig_tf.data.phantom.layout import PhantomRow, check_rows, phantom_rows
from magsig_tf.data.phantom.nuclei import touch
from magsig_tf.data.phantom.render import view_of
from magsig_tf.data.phantom.settings import PhantomSettings

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


def nuclear_mask(settings: PhantomSettings, row: int, points: int) -> np.ndarray:
    """Return the hard mask of one image's nuclei.

    Args:
        settings: The phantom.
        row: A row number of `phantom_manifest`.
        points: Points along each side of the field; `settings.size` gives the mask of the image's pixel centres.

    Returns:
        bool, shape [points, points].
    """
    (number,) = check_rows(settings, [row])
    description = phantom_rows(settings)[number]
    scene, view, _ = view_of(settings, description)
    side = settings.field_um(description.magnification)
    inside = touch(scene.nuclei_near(*view, side / 2, 0.0), points, side / points, 0.0, whole=False)
    mask = np.zeros((points, points), bool)
    mask[inside.row, inside.column] = True
    return mask


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
    return (
        float(areas[counted].mean()) if counted.any() else float("nan"),
        float(covered.sum() / tissue.sum()) if tissue.any() else float("nan"),
        int(counted.sum()),
        float(tissue.mean()),
    )
