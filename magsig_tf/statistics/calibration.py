"""Calibration error in bins, less what noise in the bins adds to it."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

SHARES = np.linspace(0, 1, 9)
"""Of the gaps as measured; between them the expected error is interpolated."""
NO_NOISE = 1e-12


def measured_error(gaps: np.ndarray) -> np.ndarray:
    """Return the calibration error as it is measured: the sum of the sizes of the gaps, shape (...).

    Args:
        gaps: Of each bin (sum of labels - sum of probabilities) / number of predictions of all bins, shape (..., bins).
    """
    return np.abs(gaps).sum(-1)


def corrected_error(gaps: np.ndarray, factor: float, sample_only: bool = False) -> np.ndarray:
    """Return the calibration error without the bias of few cases, never below 0, shape (R,).

    A gap of a bin is off by chance, up or down, and its size is off upwards: the error that is measured of a calibrated
    model is not 0. Here the gaps are taken to be a share of those measured, plus noise as large as bootstraps over
    cases show it; the share is the one whose expected error is the error that is measured. It is 0 where noise alone
    explains all of it. Replicates are corrected in the same way, with the noise of the sample.

    Args:
        gaps: As of `measured_error`, shape (R, bins): of the sample, then of bootstraps, in the bins of the sample.
        factor: By which resampling understates a standard error (`intervals.widening`).
        sample_only: Whether only the error of the sample is returned, shape (1,).

    Source: matching the expectation of a biased estimate to its value, as in MacKinnon & Smith, J. Econometrics 85
    (1998) 205-230; the mean of a folded normal: Leone, Nelson & Nottingham, Technometrics 3 (1961) 543-550.
    """
    measured = measured_error(gaps)
    known = np.isfinite(measured)
    others = gaps[1:][known[1:]]
    if sample_only:
        gaps, measured, known = gaps[:1], measured[:1], known[:1]
    if len(others) > 1:
        noise = np.maximum(factor * others.std(0, ddof=1), NO_NOISE)
        measured[known] *= _share(np.abs(gaps[known]), measured[known], noise)
    return measured


def _share(sizes: np.ndarray, measured: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the share of the sizes of gaps that explains the error measured, beside noise, shape (R,)."""
    expected = np.stack([_folded_mean(share * sizes, noise).sum(-1) for share in SHARES], axis=-1)
    above = np.clip((expected < measured[:, None]).sum(-1), 0, len(SHARES) - 1)
    below, rows = np.maximum(above - 1, 0), np.arange(len(sizes))
    rise = expected[rows, above] - expected[rows, below]
    part = np.divide(measured - expected[rows, below], rise, out=np.zeros(len(sizes)), where=rise > 0)
    return np.where(above > 0, SHARES[below] + np.clip(part, 0, 1) * (SHARES[above] - SHARES[below]), 0.0)


def _folded_mean(centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the mean size of a normal number, from a table that is right to .0005 of the spread."""
    away = centre / spread
    place = np.minimum(away * _STEPS + 0.5, len(_FOLDED) - 1).astype(np.int32)
    return spread * np.maximum(_FOLDED[place], away)


_STEPS = 1000
_AWAY = np.arange(5 * _STEPS + 1) / _STEPS
"""In spreads from 0; farther away the mean size is the distance, to 1e-6 of a spread."""
_FOLDED = _AWAY * (1 - 2 * ndtr(-_AWAY)) + math.sqrt(2 / math.pi) * np.exp(-(_AWAY**2) / 2)
