"""Metrics of binary predictions, as plain functions of labels and probabilities, and of their calibration.

Malignant is the positive class (label 1). A metric that the data do not define is NaN; `catalogue.METRICS` holds the
reason that tables print in its place. Every formula is written once: the bootstrap feeds arrays of sums into the same
functions (`f1_from_counts` and so on) that the single values use.

Calibration is the binned calibration error and the decomposition of the Brier score over bins,

    brier = reliability - resolution + uncertainty + a rest,

the rest being what the bins hide because probabilities inside a bin differ (Murphy, J. Appl. Meteorol. 12 (1973)
595-600; Stephenson, Coelho & Jolliffe, Weather Forecast. 23 (2008)). Both work on sums per bin (count, labels,
probabilities), whatever made the bins, so that the bootstrap can pass in sums of resampled data of any leading shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.errors import DataError

Counts = int | np.ndarray
"""Numbers of decisions of one kind: of one sample, or of many at once."""
LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [eps, 1 - eps] before the logarithm, eps = 2**-52 (as scikit-learn does)."""


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    """Divide elementwise; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)


def check_labels(label: ArrayLike) -> None:
    """Refuse what is no label or decision: a NaN among them would count as malignant, or vanish.

    Args:
        label: 0 or 1, shape (n,).

    Raises:
        DataError: another value is among them.
    """
    values = np.asarray(label)
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        found = f"found {int(wrong.sum())} others of {wrong.size}, first {values[wrong].flat[0]}"
        raise DataError("Expected 0 or 1 for each prediction", found, "Give 0 for benign and 1 for malignant")


def checked_probabilities(probability: ArrayLike) -> np.ndarray:
    """Return probabilities as float64.

    Args:
        probability: Of malignant, in [0, 1], shape (n,).

    Raises:
        DataError: one is NaN or outside [0, 1].
    """
    values = np.asarray(probability, float)
    wrong = ~((values >= 0) & (values <= 1))  # true for NaN as well
    if wrong.any():
        found = f"found {int(wrong.sum())} others of {wrong.size}, first {values[wrong].flat[0]}"
        raise DataError("Expected probabilities from 0 to 1", found, "Find out why the model gave them")
    return values


def auc(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, a tie counts one half.

    Args:
        label: 0 (benign) or 1 (malignant), shape (n,).
        probability: Any score that grows with malignancy, shape (n,).

    Returns:
        A value in [0, 1]; NaN with one class only.

    Raises:
        DataError: a score is NaN, which has no rank, or a label is neither 0 nor 1.

    Source: Hanley & McNeil, Radiology 143 (1982) 29-36.
    """
    check_labels(label)
    label, probability = np.asarray(label), np.asarray(probability, float)
    unknown = np.isnan(probability)
    if unknown.any():
        found = f"found NaN in {int(unknown.sum())} of {unknown.size}"
        raise DataError("Expected a score for each prediction", found, "Find out why the model gave them")
    benign, malignant = np.sort(probability[label == 0]), probability[label == 1]
    return float(ratio(wins(benign, malignant).sum(), len(benign) * len(malignant)))


def wins(sorted_benign: np.ndarray, malignant: np.ndarray) -> np.ndarray:
    """Return for each malignant score the number of benign ones below it, a tie counting one half.

    Args:
        sorted_benign: Scores of benign ones, ascending, shape (b,).
        malignant: Scores of malignant ones, shape (m,).
    """
    below = np.searchsorted(sorted_benign, malignant, "left")
    return (below + np.searchsorted(sorted_benign, malignant, "right")) / 2


def confusion(label: ArrayLike, predicted: ArrayLike) -> tuple[int, ...]:
    """Return the numbers of true positives, false positives, false negatives and true negatives.

    Args:
        label: 0 or 1, shape (n,).
        predicted: Decision for malignant, 0 or 1, shape (n,).
    """
    return tuple(int(cell.sum()) for cell in decisions(label, predicted))


def decisions(label: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, ...]:
    """Return which are true positives, false positives, false negatives and true negatives, each shape (n,).

    Raises:
        DataError: a label or a decision is neither 0 nor 1.
    """
    check_labels(label)
    check_labels(predicted)
    label, predicted = np.asarray(label, bool), np.asarray(predicted, bool)
    return label & predicted, ~label & predicted, label & ~predicted, ~label & ~predicted


def accuracy_from_counts(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """Return the share of correct decisions, from counts of any shape."""
    return ratio(tp + tn, tp + fp + fn + tn)


def sensitivity_from_counts(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """Return the share of malignant ones found; NaN without malignant ones."""
    return ratio(tp, tp + fn)


def specificity_from_counts(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """Return the share of benign ones left alone; NaN without benign ones."""
    return ratio(tn, tn + fp)


def balanced_accuracy_from_counts(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """Return the mean of sensitivity and specificity; NaN with one class only."""
    return (sensitivity_from_counts(tp, fp, fn, tn) + specificity_from_counts(tp, fp, fn, tn)) / 2


def f1_from_counts(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> np.ndarray:
    """Return F1 = 2 TP / (2 TP + FP + FN), malignant positive; NaN if nothing is malignant nor called so."""
    return ratio(2 * tp, 2 * tp + fp + fn)


def accuracy(label: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of correct decisions (see `confusion` for the arguments)."""
    return float(accuracy_from_counts(*confusion(label, predicted)))


def balanced_accuracy(label: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean of sensitivity and specificity; NaN with one class only."""
    return float(balanced_accuracy_from_counts(*confusion(label, predicted)))


def f1(label: ArrayLike, predicted: ArrayLike) -> float:
    """Return F1 with malignant as the positive class (van Rijsbergen 1979)."""
    return float(f1_from_counts(*confusion(label, predicted)))


def sensitivity(label: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of malignant ones that were called malignant; NaN without malignant ones."""
    return float(sensitivity_from_counts(*confusion(label, predicted)))


def specificity(label: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of benign ones that were called benign; NaN without benign ones."""
    return float(specificity_from_counts(*confusion(label, predicted)))


def squared_errors(label: ArrayLike, probability: ArrayLike) -> np.ndarray:
    """Return (p - y)^2 of each prediction, shape (n,).

    Raises:
        DataError: a probability is NaN or outside [0, 1], or a label is neither 0 nor 1.
    """
    check_labels(label)
    return (checked_probabilities(probability) - np.asarray(label, float)) ** 2


def log_losses(label: ArrayLike, probability: ArrayLike) -> np.ndarray:
    """Return the negative log-likelihood of each prediction in nats, shape (n,), clipped by `LOG_LOSS_CLIP`.

    Raises:
        DataError: a probability is NaN or outside [0, 1], or a label is neither 0 nor 1.
    """
    check_labels(label)
    label = np.asarray(label, float)
    clipped = np.clip(checked_probabilities(probability), LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -(label * np.log(clipped) + (1 - label) * np.log1p(-clipped))


def brier_score(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean of (p - y)^2 over one class, in [0, 1] (Brier 1950, halved for two classes)."""
    return float(np.mean(squared_errors(label, probability)))


def log_loss(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean negative log-likelihood in nats."""
    return float(np.mean(log_losses(label, probability)))


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

    Raises:
        DataError: a probability is NaN or outside [0, 1].

    Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., ICML 2017.
    """
    return np.minimum((checked_probabilities(probability) * bins).astype(np.int64), bins - 1)


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

    Raises:
        DataError: a probability is NaN or outside [0, 1].

    Source: the equal-mass bins of Nixon et al., CVPR workshops 2019 (adaptive calibration error).
    """
    probability = checked_probabilities(probability)
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
