"""The non-linear probe: the share of each class among the nearest training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEIGHBOURS = (5, 15, 45)
"""Numbers of neighbours from which cross-validation chooses."""
_ROWS_AT_ONCE = 512


def neighbour_probabilities(
    train: np.ndarray, target: np.ndarray, other: np.ndarray, classes: int, neighbours: Sequence[int]
) -> np.ndarray:
    """Return the class shares among the nearest training rows, with one pseudo-row a class spread by frequency.

    Args:
        train: Standardised features, shape (n, p); distances are Euclidean.
        target: Class of each training row, 0 to classes - 1, shape (n,).
        other: Features on the same scale, shape (m, p).
        classes: Number of classes.
        neighbours: How many neighbours vote; more than there are rows means all rows.

    Returns:
        Shape (neighbours, m, classes): (votes + classes * prior) / (neighbours + classes), where prior is the share of
        a class among the training rows, so that no probability of a class that was seen is zero.
    """
    wanted = np.eye(classes)[target]
    pseudo = classes * wanted.mean(0)
    counts = [min(count, len(train)) for count in neighbours]
    most = max(counts)
    squares = (train**2).sum(1)
    found = np.empty((len(counts), len(other), classes))
    for start in range(0, len(other), _ROWS_AT_ONCE):
        rows = other[start : start + _ROWS_AT_ONCE]
        # the row's own square shifts all its distances alike
        distance = squares - 2 * rows @ train.T
        nearest = np.argpartition(distance, most - 1, axis=1)[:, :most]
        nearest = np.take_along_axis(nearest, np.argsort(np.take_along_axis(distance, nearest, 1), axis=1), 1)
        votes = wanted[nearest].cumsum(axis=1)
        for index, count in enumerate(counts):
            found[index, start : start + len(rows)] = (votes[:, count - 1] + pseudo) / (count + classes)
    return found
