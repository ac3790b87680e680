"""The number by which every method's weights are chosen."""

from __future__ import annotations

import numpy as np


def mean_cross_entropy(labels: np.ndarray, logits: np.ndarray, magnifications: np.ndarray) -> float:
    """Return the binary cross-entropy in nats, averaged within and then over magnifications.

    Args:
        labels: 0 or 1, [n].
        logits: [n].
        magnifications: Name of each row's magnification, [n].
    """
    losses = np.logaddexp(0.0, logits.astype(np.float64)) - labels * logits.astype(np.float64)
    return float(np.mean([losses[magnifications == name].mean() for name in np.unique(magnifications)]))
