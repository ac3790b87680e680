"""Metrics of all bootstrap replicates at once.

A replicate only changes how often each case counts, so most metrics need no resampling of rows. What is additive over
images is summed per case once and multiplied by the case multiplicities. AUC is bilinear in them: with U[b, m] the
number of concordant image pairs (ties one half) between benign case b and malignant case m, and w the multiplicities,

    AUC = sum over b, m of w_b w_m U[b, m]  /  (benign images times malignant images, each weighted by w).

Equal-mass bins are formed anew in each replicate (`equal_mass_replicates`).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from magsig_tf.evaluation.calibration import BINS, BinSums, equal_width_bins
from magsig_tf.evaluation.equal_mass_replicates import equal_mass_sums
from magsig_tf.evaluation.units import Units
from magsig_tf.metrics import log_losses, ratio, squared_errors, wins


class Replicates:
    """Scored units under every row of a multiplicity matrix; sums are made when first asked for.

    Args:
        units: The scored units, at least one.
        multiplicities: How often each case counts, shape (R, cases), from `bootstrap.case_multiplicities`.
    """

    def __init__(self, units: Units, multiplicities: np.ndarray):
        self.units = units
        cases, self._unit_case = np.unique(units.case, return_inverse=True)
        self._weights = multiplicities[:, cases]

    def __len__(self) -> int:
        return len(self._weights)

    def auc(self) -> np.ndarray:
        """Return the AUC of each replicate, shape (R,); NaN where a class is absent."""
        concordant = concordant_pairs(self.units, self._unit_case, self._weights.shape[1])
        positive = self._weighted_sum(self.units.label)
        negative = self._weighted_sum(1 - self.units.label)
        pairs = ((self._weights @ concordant) * self._weights).sum(1)
        return ratio(pairs, positive * negative)

    @cached_property
    def count(self) -> np.ndarray:
        """Number of units of each replicate, shape (R,)."""
        return self._weighted_sum(np.ones(len(self.units)))

    @cached_property
    def confusion(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """True positives, false positives, false negatives and true negatives of each replicate, each shape (R,)."""
        label, predicted = self.units.label.astype(bool), self.units.predicted.astype(bool)
        cells = (label & predicted, ~label & predicted, label & ~predicted, ~label & ~predicted)
        return tuple(self._weighted_sum(cell) for cell in cells)

    def mean_squared_error(self) -> np.ndarray:
        """Return the mean of (p - y)^2 of each replicate, shape (R,)."""
        return ratio(self._weighted_sum(squared_errors(self.units.label, self.units.probability)), self.count)

    def mean_log_loss(self) -> np.ndarray:
        """Return the mean log-loss of each replicate in nats, shape (R,)."""
        return ratio(self._weighted_sum(log_losses(self.units.label, self.units.probability)), self.count)

    def mean_correct(self) -> np.ndarray:
        """Return the mean over units of the share of correct images, shape (R,)."""
        return ratio(self._weighted_sum(self.units.correct), self.count)

    @cached_property
    def equal_width(self) -> BinSums:
        """Sums over equally wide bins, arrays of shape (R, bins)."""
        cases = self._weights.shape[1]
        cell = self._unit_case * BINS + equal_width_bins(self.units.probability)
        tables = (
            np.bincount(cell, values, cases * BINS).reshape(cases, BINS)
            for values in (None, self.units.label, self.units.probability)
        )
        return BinSums(*(self._weights @ table for table in tables))

    @cached_property
    def equal_mass(self) -> BinSums:
        """Sums over equal-mass bins, formed anew in each replicate, arrays of shape (R, bins)."""
        return equal_mass_sums(self._unit_case, self.units.label, self.units.probability, self._weights)

    def _weighted_sum(self, values: np.ndarray) -> np.ndarray:
        return self._weights @ np.bincount(self._unit_case, values, self._weights.shape[1])


def concordant_pairs(units: Units, unit_case: np.ndarray, cases: int) -> np.ndarray:
    """Count the pairs of a benign and a malignant unit that are in the right order, for each pair of cases.

    Args:
        units: The scored units.
        unit_case: Position of each unit's case, in [0, cases), shape (n,).
        cases: Number of cases.

    Returns:
        Shape (cases, cases): row of the benign unit's case, column of the malignant one's; a tie counts one half.
    """
    table = np.zeros((cases, cases))
    malignant = units.label == 1
    scores, columns = units.probability[malignant], unit_case[malignant]
    for row in np.unique(unit_case[~malignant]):
        benign = np.sort(units.probability[~malignant & (unit_case == row)])
        table[row] = np.bincount(columns, wins(benign, scores), cases)
    return table
