"""Which epoch's weights become the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SelectionRule:
    """Lowest validation cross-entropy from a share of training on; ties go to the earliest epoch.

    Args:
        name: As in the config.
        part: The rows it looks at.
        select_from: Progress in [0, 1] before which no epoch is chosen.
    """

    name: str
    part: str
    select_from: float

    @property
    def is_oracle(self) -> bool:
        """Whether it looks at the holdout; everything it chose is labelled so."""
        return self.name == "oracle"

    def prefers(self, loss: float, progress: float, best: float | None) -> bool:
        """Return whether an epoch with this validation loss replaces the best so far."""
        return progress >= self.select_from and np.isfinite(loss) and (best is None or loss < best)


def selection_rule(name: str, select_from: float) -> SelectionRule:
    """Return the rule named `source` or `oracle`."""
    part = {"source": "validation", "oracle": "validation_holdout"}[name]
    return SelectionRule(name, part, select_from)


def cross_entropy(labels: np.ndarray, logits: np.ndarray, magnifications: np.ndarray) -> float:
    """Return the binary cross-entropy in nats, averaged within and then over magnifications.

    Args:
        labels: 0 or 1, [n].
        logits: [n].
        magnifications: Name of each row's magnification, [n].
    """
    losses = np.logaddexp(0.0, logits.astype(np.float64)) - labels * logits.astype(np.float64)
    return float(np.mean([losses[magnifications == name].mean() for name in np.unique(magnifications)]))
