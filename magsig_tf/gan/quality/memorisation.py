"""Memorisation: are samples nearer to a training image than training images of different patients are to each other?"""

from __future__ import annotations

import numpy as np

from magsig_tf.errors import NotDefinedError

PERCENTILE = 1.0
"""A sample below this percentile of what real images show counts as copied."""
FEWEST_CASES = 3
"""An image's case, that of its nearest image, and one to compare with."""


def memorisation(real: np.ndarray, cross: np.ndarray, case: np.ndarray) -> dict[str, float]:
    """Hold the distance of each sample to its nearest training image against that between training images.

    The yardstick is the distance of each training image to its nearest one of another case: tiles of one patient may
    show the same tissue. A sample is a copy where it is near to one training image, and near to that one only: its
    distance is not above the 1st percentile of the yardstick, and neither is the ratio of its distance to that to the
    nearest image of any further case. By the distance alone every blurred image would be a copy in pixels, since it
    is near to all others.

    Args:
        real: Squared distances among training images, shape (n, n).
        cross: Squared distances of training images to samples, shape (n, m).
        case: Position of each training image's case, shape (n,).

    Returns:
        `copied`: share of samples that are copies; `nearest_ratio`: median distance of samples over the median of the
        yardstick; `copied_same_case`: share of training images that would be copies of another one of their own case,
        NaN where no case has two images.

    Raises:
        NotDefinedError: there are fewer than three cases, or most training images occur in two cases.
    """
    cases = len(np.unique(case))
    if cases < FEWEST_CASES:
        raise NotDefinedError(
            f"Expected training images of {FEWEST_CASES} cases or more",
            f"found fewer than {FEWEST_CASES} cases ({cases})",
            "Use more cases",
        )
    of_others = nearest_by_case(real, case)
    columns = np.arange(len(case))
    own = nearest_by_case(real + np.diag(np.full(len(case), np.float32(np.inf))), case)[case, columns]
    of_others[case, columns] = np.inf
    yardstick, ratio = _nearest_two(of_others)
    if np.median(yardstick) == 0:
        raise NotDefinedError(
            "Expected different training images", "found most of them in two cases", "Remove the doubles"
        )
    limits = np.percentile(yardstick, PERCENTILE), np.percentile(ratio, PERCENTILE)
    nearest, nearest_ratio = _nearest_two(nearest_by_case(cross, case))
    doubled = np.isfinite(own)
    own = np.sqrt(own[doubled])
    copies = _copies(own, _ratio(own, yardstick[doubled]), limits)
    return {
        "copied": float(_copies(nearest, nearest_ratio, limits).mean()),
        "nearest_ratio": float(np.median(nearest) / np.median(yardstick)),
        "copied_same_case": float(copies.mean()) if len(copies) else float("nan"),
    }


def nearest_by_case(squared: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Return the smallest squared distance to an image of each case.

    Args:
        squared: Distances of n training images to m others, shape (n, m).
        case: Position of each training image's case, 0 to C - 1, shape (n,).

    Returns:
        Shape (C, m); cases that `case` skips are left out.
    """
    order = np.argsort(case, kind="stable")
    return np.minimum.reduceat(squared[order], np.unique(case[order], return_index=True)[1], axis=0)


def _nearest_two(by_case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to the nearest case, and its ratio to that of the next one."""
    first, second = np.sqrt(np.partition(by_case, 1, axis=0)[:2])
    return first, _ratio(first, second)


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # an image at distance 0 is a copy even where a second case holds the same one
    return np.divide(first, second, out=np.zeros_like(first), where=second > 0)


def _copies(distance: np.ndarray, ratio: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return (distance <= limits[0]) & (ratio <= limits[1])
