"""Words of tables: what a metric means, and what a cell says in place of a number."""

from __future__ import annotations

from collections.abc import Iterable

from magsig_tf import reasons
from magsig_tf.evaluation import METRICS
from magsig_tf.reasons import Reason

MEANINGS = {
    "auc": "share of pairs of a malignant and a benign one that are ranked correctly, .5 is chance",
    "accuracy": "share classified correctly",
    "balanced_accuracy": "mean of sensitivity and specificity",
    "f1": "2 TP / (2 TP + FP + FN), malignant is positive",
    "sensitivity": "share of malignant ones classified as malignant",
    "specificity": "share of benign ones classified as benign",
    "brier": "mean squared error of the probability, lower is better",
    "log_loss": "mean of -log of the probability of the true class, lower is better",
    "ece": "expected calibration error, 15 bins of equal counts, less what few cases add (raw: not), lower is better",
    "ece_raw": "the expected calibration error as it is measured, too high with few cases, lower is better",
    "ece_equal_width": "the same in 15 bins of equal width, lower is better",
    "ece_equal_width_raw": "the error as it is measured in 15 bins of equal width, lower is better",
    "brier_reliability": "mean squared gap between probability and frequency in bins, lower is better",
    "brier_resolution": "variance of the frequency over bins, higher is better",
    "brier_uncertainty": "a property of the data alone",
    "patient_recognition_rate": "share of a case's images classified correctly, mean over cases",
}
"""Each metric in a clause; docs/numbers.md has the definitions."""
NOT_DEFINED = "not defined"
NOT_RUN = "not run"

# of several reasons, the first of this list that is among them
_WORDS = {
    **dict.fromkeys(sorted(reasons.RUN_IS_MISSING), NOT_RUN),
    reasons.NO_SOURCE_MAGNIFICATION: "no\nsources",
    reasons.ONE_MAGNIFICATION: "one\nmagn.",
    reasons.FEWER_CASES_THAN_FOLDS: "too few\ncases",
    reasons.MAGNIFICATION_IN_ONE_FOLD: "magn. in\none fold",
    reasons.ONE_CASE: "one\ncase",
    reasons.NO_CASE_TWICE: "no case\ntwice",
    reasons.NO_SIGNATURE: "no\nsignature",
    reasons.EMPTY: "empty",
    reasons.SATURATED: "saturated",
    reasons.ONE_CLASS: "one\nclass",
    reasons.NOTHING_MALIGNANT: "none\nmalignant",
    reasons.NOT_MATCHED: "not\nmatched",
    reasons.DOES_NOT_VARY: "does not\nvary",
    reasons.UNEXPECTED: "failed",
    reasons.PERMUTED: "-",
    reasons.FEWER_THAN_TWO: "one\nholdout",
    reasons.OTHER_LENGTH: "other\nlength",
    reasons.NO_BOUND: "too few\ncases",
    reasons.TOO_MANY_DIMENSIONS: "too many",
    reasons.NO_TEST_ROWS: "no test\nrows",
    reasons.NOT_FILTERED: "no\nfilter",
    reasons.GAN_QUALITY: "see\nbelow",
}


def meanings(metrics: Iterable[str]) -> str:
    """Return what some metrics mean, a sentence each."""
    return " ".join(f"{METRICS[name].title}: {MEANINGS[name]}." for name in metrics)


def in_a_cell(why: Iterable[Reason]) -> str:
    """Return what stands in the place of an absent number.

    Args:
        why: The reasons of its row.
    """
    codes = {reason.code for reason in why}
    return next((words for code, words in _WORDS.items() if code in codes), "not\ndefined")


def absent(why: Iterable[Reason]) -> str:
    """Say of an absent metric whether a run is missing or the data do not define it.

    Args:
        why: The reasons of its row.
    """
    return NOT_RUN if any(reason.code in reasons.RUN_IS_MISSING for reason in why) else NOT_DEFINED
