"""Metrics of binary predictions, as plain functions of labels and probabilities.

Malignant is the positive class (label 1). A metric that the data do not define is NaN; `catalogue.METRICS` holds the
reason that tables print in its place. Every formula is written once: the bootstrap feeds arrays of sums into the same
functions (`f1_from_counts` and so on) that the single values use.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

Counts = int | np.ndarray
"""Numbers of decisions of one kind: of one sample, or of many at once."""
LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [eps, 1 - eps] before the logarithm, eps = 2**-52 (as scikit-learn does)."""


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    """Divide elementwise; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)


def auc(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, a tie counts one half.

    Args:
        label: 0 (benign) or 1 (malignant), shape (n,).
        probability: Any score that grows with malignancy, shape (n,).

    Returns:
        A value in [0, 1]; NaN with one class only.

    Source: Hanley & McNeil, Radiology 143 (1982) 29-36.
    """
    label, probability = np.asarray(label), np.asarray(probability, float)
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


def confusion(label: ArrayLike, predicted: ArrayLike) -> tuple[int, int, int, int]:
    """Return the numbers of true positives, false positives, false negatives and true negatives.

    Args:
        label: 0 or 1, shape (n,).
        predicted: Decision for malignant, 0 or 1, shape (n,).
    """
    label, predicted = np.asarray(label, bool), np.asarray(predicted, bool)
    cells = (label & predicted, ~label & predicted, label & ~predicted, ~label & ~predicted)
    tp, fp, fn, tn = (int(cell.sum()) for cell in cells)
    return tp, fp, fn, tn


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
    """Return (p - y)^2 of each prediction, shape (n,)."""
    return (np.asarray(probability, float) - np.asarray(label, float)) ** 2


def log_losses(label: ArrayLike, probability: ArrayLike) -> np.ndarray:
    """Return the negative log-likelihood of each prediction in nats, shape (n,), clipped by `LOG_LOSS_CLIP`."""
    label = np.asarray(label, float)
    clipped = np.clip(np.asarray(probability, float), LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -(label * np.log(clipped) + (1 - label) * np.log1p(-clipped))


def brier_score(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean of (p - y)^2 over one class, in [0, 1] (Brier 1950, halved for two classes)."""
    return float(np.mean(squared_errors(label, probability)))


def log_loss(label: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean negative log-likelihood in nats."""
    return float(np.mean(log_losses(label, probability)))
