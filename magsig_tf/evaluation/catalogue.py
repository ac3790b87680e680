"""The metrics that magsig prints: name, direction, how patient folds are put together, and how replicates are had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from magsig_tf import metrics
from magsig_tf.errors import UsageError, nearest
from magsig_tf.evaluation import calibration
from magsig_tf.evaluation.replicates import Replicates
from magsig_tf.evaluation.units import LEVELS


@dataclass(frozen=True)
class Metric:
    """One number that can be had from predictions.

    Args:
        name: As in tables on disk and after `--metric`.
        title: As in printed tables.
        better: Which direction is better; "neither" for a property of the data.
        values: Returns the metric of every replicate, shape (R,).
        undefined: Why it is NaN where it is.
        over_folds: "mean" of the patient folds' values, or one value of the "joined" predictions of all folds. Ranks of
            different models are not comparable, so AUC is a mean; the others are per-image quantities, and bins and
            rare counts need all the images there are.
        levels: Where it is defined.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "neither"]
    values: Callable[[Replicates], np.ndarray]
    undefined: str = "no predictions"
    over_folds: Literal["mean", "joined"] = "joined"
    levels: tuple[str, ...] = LEVELS


def _of_counts(formula: Callable[..., np.ndarray]) -> Callable[[Replicates], np.ndarray]:
    return lambda replicates: formula(*replicates.confusion)


def _of_equal_mass(formula: Callable[..., np.ndarray]) -> Callable[[Replicates], np.ndarray]:
    return lambda replicates: formula(replicates.equal_mass)


_ALL = (
    Metric("auc", "AUC", "higher", Replicates.auc, "one class", over_folds="mean"),
    Metric("accuracy", "accuracy", "higher", _of_counts(metrics.accuracy_from_counts)),
    Metric("balanced_accuracy", "bal. acc.", "higher", _of_counts(metrics.balanced_accuracy_from_counts), "one class"),
    Metric("f1", "F1", "higher", _of_counts(metrics.f1_from_counts), "nothing malignant, nothing called malignant"),
    Metric("sensitivity", "sensitivity", "higher", _of_counts(metrics.sensitivity_from_counts), "no malignant ones"),
    Metric("specificity", "specificity", "higher", _of_counts(metrics.specificity_from_counts), "no benign ones"),
    Metric("brier", "Brier", "lower", Replicates.mean_squared_error),
    Metric("log_loss", "log-loss", "lower", Replicates.mean_log_loss),
    Metric("ece", "ECE", "lower", _of_equal_mass(calibration.calibration_error)),
    Metric("ece_equal_width", "ECE width", "lower", lambda r: calibration.calibration_error(r.equal_width)),
    Metric("brier_reliability", "reliability", "lower", _of_equal_mass(calibration.reliability)),
    Metric("brier_resolution", "resolution", "higher", _of_equal_mass(calibration.resolution)),
    Metric("brier_uncertainty", "uncertainty", "neither", _of_equal_mass(calibration.uncertainty)),
    Metric("patient_recognition_rate", "patient rate", "higher", Replicates.mean_correct, levels=("case",)),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name, in the order of tables."""


def choose_metrics(names: Iterable[str] | None = None) -> list[Metric]:
    """Return the named metrics in the order given, all of them for None.

    Raises:
        UsageError: a name is unknown; the nearest is offered.
    """
    names = list(METRICS if names is None else names)
    for name in names:
        if name not in METRICS:
            raise UsageError("Expected a metric", f"found {name!r}", nearest(name, METRICS))
    return [METRICS[name] for name in names]
