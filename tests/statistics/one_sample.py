"""Binned numbers of one set of predictions, by the formulas that the bootstrap gives sums to."""

import numpy as np

from magsig_tf.statistics.metrics import (
    BINS,
    bin_sums,
    calibration_error,
    equal_mass_bins,
    equal_width_bins,
    reliability,
    resolution,
    uncertainty,
)


def expected_calibration_error(label, probability, bins=BINS, bins_of=equal_mass_bins):
    """Return the calibration error over some bins."""
    return float(calibration_error(bin_sums(label, probability, bins_of(probability, bins), bins)))


def equal_width_error(label, probability, bins=BINS):
    """Return the calibration error over bins of equal width."""
    return expected_calibration_error(label, probability, bins, equal_width_bins)


def brier_terms(label, probability):
    """Return the terms of the Brier score, and the rest that its bins hide (Stephenson et al. 2008)."""
    label, probability = np.asarray(label, float), np.asarray(probability, float)
    bin_of = equal_mass_bins(probability)
    sums = bin_sums(label, probability, bin_of)
    p_off = probability - (sums.probability[bin_of] / sums.count[bin_of])
    y_off = label - (sums.label[bin_of] / sums.count[bin_of])
    return {
        "reliability": float(reliability(sums)),
        "resolution": float(resolution(sums)),
        "uncertainty": float(uncertainty(sums)),
        "within_bin": float(np.mean(p_off**2) - 2 * np.mean(p_off * y_off)),
    }
