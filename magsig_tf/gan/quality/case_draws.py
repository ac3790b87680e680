"""Draws over the cases of the training images: bootstrap replicates and halves."""

from __future__ import annotations

import numpy as np

from magsig_tf.seeding import generator_for


def bootstrap_draws(cases: int, replicates: int, *names: object) -> np.ndarray:
    """Draw how often each case appears in each replicate.

    Args:
        cases: Number C of cases, all of one label.
        replicates: Number B.
        names: Names that the seed derives from.

    Returns:
        Float64 whole numbers [B + 1, C]; row 0 is the sample itself.
    """
    generator = generator_for("gan quality bootstrap", *names)
    drawn = generator.multinomial(cases, np.full(cases, 1 / cases), replicates)
    return np.concatenate([np.ones((1, cases)), drawn])


def halves(cases: int, halvings: int, *names: object) -> np.ndarray:
    """Draw halves of the cases.

    Args:
        cases: Number C of cases.
        halvings: How many times.
        names: Names that the seed derives from.

    Returns:
        Bool [halvings, C]; C // 2 cases of each row are True.
    """
    generator = generator_for("gan quality halves", *names)
    return np.stack([generator.permutation(cases) < cases // 2 for _ in range(halvings)])


def resampled_means(values: np.ndarray, case: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the mean over images in every replicate.

    Args:
        values: One an image, shape (n,).
        case: Position of each image's case, shape (n,).
        draws: From `bootstrap_draws`, shape (R, C).

    Returns:
        Shape (R,).
    """
    return (draws @ np.bincount(case, values)) / (draws @ np.bincount(case))


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of replicates (Efron 1979), shape (B,); undefined ones are left out."""
    low, high = np.percentile(replicates[np.isfinite(replicates)], [2.5, 97.5])
    return float(low), float(high)
