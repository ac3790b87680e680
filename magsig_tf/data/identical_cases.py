"""Cases that share a pixel-identical image must not be parted by a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def merge_identical_cases(cases: pd.Series, pixel_sha256: pd.Series) -> tuple[pd.Series, int]:
    """Return a group name for each row: its case, or the first of all cases linked to it by identical pixels.

    Args:
        cases: Case (or slide) of each row.
        pixel_sha256: Hash of each row's pixels.

    Returns:
        The group of each row, and the number of cases that were merged into another.
    """
    case_codes, names = pd.factorize(cases, sort=True)
    image_codes, images = pd.factorize(pixel_sha256)
    # a graph whose nodes are cases and images: its components are what has to stay together
    size = len(names) + len(images)
    links = coo_array((np.ones(len(case_codes)), (case_codes, image_codes + len(names))), shape=(size, size))
    _, component = connected_components(links, directed=False)
    first_name: dict[int, str] = {}
    for name, label in zip(names, component[: len(names)], strict=True):
        first_name.setdefault(label, name)
    groups = np.array([first_name[label] for label in component[: len(names)]], dtype=object)
    return pd.Series(groups[case_codes], index=cases.index), len(names) - len(first_name)
