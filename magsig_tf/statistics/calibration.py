"""Calibration: binned calibration error and the decomposition of the Brier score over bins.

brier = reliability - resolution + uncertainty + a rest, which is what the bins hide because probabilities inside a bin
differ (Murphy, J. Appl. Meteorol. 12 (1973) 595-600; Stephenson, Coelho & Jolliffe, Weather Forecast. 23 (2008)).

Both work on sums per bin (count, labels, probabilities), whatever made the bins, so that the bootstrap can pass in sums
of resampled data of any leading shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.statistics.classification import ratio

BINS = 15


@dataclass(frozen=True)
class BinSums:
    """Sums over the predictions of each bin; every array has shape (..., bins).

    Args:
        count: Number (or weight) of predictions.
        label: Sum of labels: the malignant ones.
        probability: Sum of predicted probabilities.
    """

    count: np.ndarray
    label: np.ndarray
    probability: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Number of predictions over all bins, shape (...)."""
        return self.count.sum(-1)


def equal_width_bins(probability: ArrayLike, bins: int = BINS) -> np.ndarray:
    """Return the bin of each prediction: [0, 1/bins), [1/bins, 2/bins), ..., the last one closed.

    Args:
        probability: In [0, 1], shape (n,).
        bins: Number of bins.

    Returns:
        Integers in [0, bins), shape (n,).

    Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., ICML 2017.
    """
    return np.minimum((np.asarray(probability, float) * bins).astype(np.int64), bins - 1)


def equal_mass_bins(probability: ArrayLike, bins: int = BINS) -> np.ndarray:
    """Return the bin of each prediction when bins hold equally many predictions.

    With `below` the number of predictions strictly smaller than p and n the number of all, p falls into bin
    floor(bins * below / n). Equal probabilities therefore share a bin (the order of rows does not matter), and
    repeating every row leaves the bins as they are. Bins can be empty when many probabilities are equal.

    Args:
        probability: Shape (n,).
        bins: Number of bins.

    Returns:
        Integers in [0, bins), shape (n,).

    Source: the equal-mass bins of Nixon et al., CVPR workshops 2019 (adaptive calibration error).
    """
    probability = np.asarray(probability, float)
    below = np.searchsorted(np.sort(probability), probability, side="left")
    return bins * below // max(len(probability), 1)


def bin_sums(label: ArrayLike, probability: ArrayLike, bin_of: np.ndarray, bins: int = BINS) -> BinSums:
    """Return the sums of each bin.

    Args:
        label: 0 or 1, shape (n,).
        probability: In [0, 1], shape (n,).
        bin_of: Bin of each prediction, shape (n,).
        bins: Number of bins.
    """
    sums = (np.bincount(bin_of, weights, minlength=bins) for weights in (None, label, probability))
    return BinSums(*(np.asarray(values, float) for values in sums))


def calibration_error(sums: BinSums) -> np.ndarray:
    """Return the expected calibration error: sum over bins of (n_b / n) |mean label - mean probability|.

    Returns:
        Values in [0, 1] of shape (...).
    """
    return ratio(np.abs(sums.label - sums.probability).sum(-1), sums.total)


def reliability(sums: BinSums) -> np.ndarray:
    """Return Murphy's reliability: sum (n_b / n) (mean probability - mean label)^2; 0 is best."""
    squares = ratio((sums.probability - sums.label) ** 2, sums.count)
    return ratio(np.nansum(squares, -1), sums.total)


def resolution(sums: BinSums) -> np.ndarray:
    """Return Murphy's resolution: sum (n_b / n) (mean label - base rate)^2; more is better."""
    base_rate = ratio(sums.label.sum(-1), sums.total)
    squares = sums.count * (ratio(sums.label, sums.count) - base_rate[..., None]) ** 2
    return ratio(np.nansum(squares, -1), sums.total)


def uncertainty(sums: BinSums) -> np.ndarray:
    """Return Murphy's uncertainty: base rate times (1 - base rate); a property of the data alone."""
    base_rate = ratio(sums.label.sum(-1), sums.total)
    return base_rate * (1 - base_rate)
