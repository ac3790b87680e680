"""Embedding dimensions brought to mean 0 and standard deviation 1 on the rows that a classifier is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-6
"""A dimension whose standard deviation is below this share of its largest value varies by float32 rounding alone."""


@dataclass(frozen=True)
class Scaling:
    """How each dimension is standardised.

    Args:
        mean: (p,).
        scale: Standard deviation (divisor n), (p,); 1 where a dimension is constant.
        constant: Whether a dimension does not vary, (p,).
    """

    mean: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    def apply(self, embedding: np.ndarray) -> np.ndarray:
        """Return the standardised embedding, float64 (n, p); constant dimensions are 0 throughout."""
        standardised = (np.asarray(embedding, np.float64) - self.mean) / self.scale
        standardised[:, self.constant] = 0.0
        return standardised


def fit_scaling(embedding: np.ndarray) -> Scaling:
    """Return the scaling of these rows.

    Args:
        embedding: Finite, (n, p), n at least 1.
    """
    embedding = np.asarray(embedding, np.float64)
    mean, deviation = embedding.mean(axis=0), embedding.std(axis=0)
    constant = deviation <= ROUNDING * np.abs(embedding).max(axis=0)
    return Scaling(mean, np.where(constant, 1.0, deviation), constant)


def standardised(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale both parts by mean and standard deviation of the training rows, as the probes do.

    Not by `fit_scaling`: it divides where this multiplies by the reciprocal, and the last bit of a feature was seen to
    move a probe's printed accuracy by .001.

    Args:
        train: Shape (n, p).
        other: Shape (m, p).

    Returns:
        Both in float64; a dimension that is constant over the training rows is zero in both.
    """
    train, other = np.asarray(train, np.float64), np.asarray(other, np.float64)
    mean, deviation = train.mean(0), train.std(0)
    # rounding gives constant dimensions a deviation of a few ulp
    constant = deviation <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    return (train - mean) * scale, (other - mean) * scale
