"""Kinds of interval that magsig does not use, for the study that compares them with those it has."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from magsig_tf.statistics.intervals import Bootstrapped, percentile_interval
from magsig_tf.statistics.replicates import Units, concordant_pairs

Ends = tuple[float, float]


def bca_interval(value: float, replicates: np.ndarray, left_out: np.ndarray, strata: np.ndarray, level: float) -> Ends:
    """Return the interval with corrections for bias and acceleration, the latter from a jackknife over cases.

    Args:
        value: Of the sample.
        replicates: Shape (B,).
        left_out: The value without each case, shape (cases,).
        strata: Label of each case, shape (cases,).
        level: Coverage aimed at.

    Source: Efron, JASA 82 (1987) 171-185; several samples: Davison & Hinkley (1997), section 5.3.
    """
    below = np.mean((replicates < value) + 0.5 * (replicates == value))
    bias = ndtri(np.clip(below, 1 / len(replicates), 1 - 1 / len(replicates)))
    cubes = squares = 0.0
    for stratum in np.unique(strata):
        values = left_out[strata == stratum]
        influence = (len(values) - 1) * (values.mean() - values)
        cubes += (influence**3).sum() / len(values) ** 3
        squares += (influence**2).sum() / len(values) ** 2
    acceleration = cubes / (6 * squares**1.5) if squares else 0.0
    shifted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(replicates, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def jackknife_interval(number: Bootstrapped, left_out: np.ndarray, strata: np.ndarray, level: float) -> Ends:
    """Return Student's interval with the standard error of a jackknife over cases, on the logit scale.

    Args:
        number: The number, with bounds and inside them.
        left_out: The value without each case, shape (cases,).
        strata: Label of each case, shape (cases,).
        level: Coverage aimed at.

    Source: Efron & Tibshirani (1993), chapter 11; degrees of freedom: Satterthwaite, from the variance of each class.
    """
    groups = [left_out[strata == stratum] for stratum in np.unique(strata)]
    parts = np.array([(len(each) - 1) / len(each) * ((each - each.mean()) ** 2).sum() for each in groups])
    if not parts.sum():
        return number.value, number.value
    freedom = parts.sum() ** 2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, groups, strict=True))
    (low, high), reach = number.bounds, stdtrit(freedom, (1 + level) / 2) * np.sqrt(parts.sum())
    share, span = (number.value - low) / (high - low), high - low
    ends = expit(logit(share) + np.array([-1, 1]) * reach / (span * share * (1 - share)))
    return float(low + span * ends[0]), float(low + span * ends[1])


def obuchowski_and_studentized(units: Units, weights: np.ndarray, strata: np.ndarray, level: float) -> dict[str, Ends]:
    """Return intervals of AUC from a standard error by placements of clustered images, on the logit scale.

    Args:
        units: Scored images; cases are numbered from 0.
        weights: How often each case counts, shape (R, cases); row 0 is the sample.
        strata: Label of each case, shape (cases,).
        level: Coverage aimed at.

    Returns:
        "obuchowski_logit_t": Student's t (Welch) with that error. "studentized_logit": the bootstrap distribution of
        (replicate - value) / error in place of t.

    Source: Obuchowski, Biometrics 53 (1997) 567-578, for cases of one label each; Efron & Tibshirani (1993), ch. 12.
    """
    tail = (1 - level) / 2
    value, error, freedom = _logit_errors(units, weights, strata)
    reach = stdtrit(freedom, 1 - tail) * error[0]
    usable = error > 1e-9
    studentized = (value[usable][1:] - value[0]) / error[usable][1:]
    low, high = np.quantile(studentized, [1 - tail, tail])
    return {
        "obuchowski_logit_t": (float(expit(value[0] - reach)), float(expit(value[0] + reach))),
        "studentized_logit": (float(expit(value[0] - low * error[0])), float(expit(value[0] - high * error[0]))),
    }


def _logit_errors(units: Units, weights: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    pairs = concordant_pairs(units, units.case, len(strata))[strata == 0][:, strata == 1]
    images = [np.bincount(units.case, units.label == value, len(strata))[strata == value] for value in (0, 1)]
    drawn = [weights[:, strata == value] for value in (0, 1)]
    total = [d @ i for d, i in zip(drawn, images, strict=True)]
    placed = [drawn[1] @ pairs.T / total[1][:, None], drawn[0] @ pairs / total[0][:, None]]
    auc = (drawn[0] * placed[0]).sum(1) / total[0]
    parts = []
    for d, p, i, t in zip(drawn, placed, images, total, strict=True):
        off = (p - auc[:, None] * i) / t[:, None]
        parts.append(len(i) / (len(i) - 1) * (d * off**2).sum(1))
    freedom = (parts[0][0] + parts[1][0]) ** 2 / sum(
        p[0] ** 2 / (len(i) - 1) for p, i in zip(parts, images, strict=True)
    )
    inside = np.clip(auc, 1e-4, 1 - 1e-4)
    return logit(inside), np.sqrt(parts[0] + parts[1]) / (inside * (1 - inside)), float(freedom)


def image_bootstrap_interval(units: Units, generator: np.random.Generator, level: float, replicates: int = 100) -> Ends:
    """Return the percentile interval of AUC when images are drawn as if they were independent: the usual slip.

    Args:
        units: Scored images.
        generator: Draws the images, within benign and malignant ones.
        level: Coverage aimed at.
        replicates: Number of replicates.
    """
    order = np.argsort(units.probability)
    label = units.label[order]
    times = np.zeros((replicates, len(label)))
    for value in (0, 1):
        members = np.flatnonzero(label == value)
        times[:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), replicates)
    benign, malignant = times * (label == 0), times * (label == 1)
    aucs = (malignant * (benign.cumsum(1) - benign / 2)).sum(1) / (benign.sum(1) * malignant.sum(1))
    return percentile_interval(aucs, np.nan, level)
