"""The metrics that magsig prints: name, direction, how patient folds are put together, and how replicates are had."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from magsig_tf.errors import UsageError, nearest
from magsig_tf.reasons import (
    BIASED,
    NO_BENIGN,
    NO_MALIGNANT,
    NO_PREDICTIONS,
    NOTHING,
    NOTHING_MALIGNANT,
    ONE_CLASS,
    Reason,
)
from magsig_tf.statistics import metrics
from magsig_tf.statistics.intervals import SHARE
from magsig_tf.statistics.replicates import LEVELS, Replicates

CellT = TypeVar("CellT")

_NO_PREDICTIONS = Reason(NO_PREDICTIONS, "no predictions")
_ONE_CLASS = Reason(ONE_CLASS, "one class")
_NO_MALIGNANT = Reason(NO_MALIGNANT, "no malignant ones")
_NO_BENIGN = Reason(NO_BENIGN, "no benign ones")
_BIASED = Reason(BIASED, "no interval, since noise in the bins raises it; that of the corrected value is beside it")
_NOTHING_MALIGNANT = Reason(NOTHING_MALIGNANT, "nothing malignant, nothing called malignant")


Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """One number that can be had from predictions.

    Args:
        name: As in tables on disk and after `--metric`.
        title: As in printed tables.
        better: Which direction is better; "neither" for a property of the data.
        values: Returns the metric of every replicate, shape (R,).
        undefined: Why it is NaN where it is, as a clause with its code.
        threshold: Whether it depends on the decision threshold.
        binned: Whether it is made of bins, whose errors grow when cases are drawn more than once.
        bounds: Between which values it lies; an interval stays inside.
        over_folds: "mean" of the patient folds' values, or one value of the "joined" predictions of all folds. Ranks of
            different models are not comparable, so AUC is a mean; the others are per-image quantities, and bins and
            rare counts need all the images there are.
        levels: Where it is defined.
        alike: For a value on its lower and one on its upper bound, the cases that had to be alike to put it there:
            "benign", "malignant", those of the "smaller" class, or "" where that bounds nothing.
        no_interval: Why it never has an interval; empty where it may have one.
        interval_at: Levels at which it has an interval.
        sample: Returns the metric of the sample, shape (1,), where it needs the replicates too; else None.
    """

    name: str
    title: str
    better: Better
    values: Callable[[Replicates], np.ndarray]
    undefined: Reason = _NO_PREDICTIONS
    over_folds: Literal["mean", "joined"] = "joined"
    levels: tuple[str, ...] = LEVELS
    threshold: bool = False
    binned: bool = False
    bounds: tuple[float, float] = SHARE
    alike: tuple[str, str] = ("smaller", "smaller")
    no_interval: Reason = NOTHING
    interval_at: tuple[str, ...] = LEVELS
    sample: Callable[[Replicates], np.ndarray] | None = None

    @property
    def corrected(self) -> bool:
        """Whether its value is corrected by what the replicates show."""
        return self.sample is not None

    def of_sample(self, replicates: Replicates) -> np.ndarray:
        """Return the metric of the sample alone, shape (1,)."""
        return self.sample(replicates) if self.sample else self.values(replicates)[:1]

    def trials(self, benign: int, malignant: int) -> tuple[int, int]:
        """Return how many cases had to be alike to put the value on its lower, and on its upper bound."""
        counts = {"": 0, "benign": benign, "malignant": malignant, "smaller": min(benign, malignant)}
        return counts[self.alike[0]], counts[self.alike[1]]

    def change(self, now: CellT, before: CellT, minus: Callable[[CellT, CellT], CellT]) -> CellT:
        """Return `now` minus `before`, its sign turned where lower is better, so that minus always means worse.

        Args:
            now: A value.
            before: What it is compared with.
            minus: Subtracts its second argument from its first.
        """
        return minus(before, now) if self.better == "lower" else minus(now, before)

    @property
    def bounds_of_difference(self) -> tuple[float, float]:
        """Between which values the difference of two of it lies."""
        low, high = self.bounds
        return low - high, high - low


def _of_counts(
    name: str,
    title: str,
    formula: Callable[..., np.ndarray],
    undefined: Reason = _NO_PREDICTIONS,
    alike: tuple[str, str] = ("smaller", "smaller"),
) -> Metric:
    return Metric(name, title, "higher", lambda r: formula(*r.confusion), undefined, threshold=True, alike=alike)


_NOTHING = ("", "")


def _of_bins(name: str, title: str, better: Better, formula: Callable[[metrics.BinSums], np.ndarray]) -> Metric:
    return Metric(name, title, better, lambda r: formula(r.equal_mass), binned=True, alike=_NOTHING)


def _of_errors(name: str, title: str, values: Callable[[Replicates], np.ndarray], **more: Any) -> Metric:
    # at the case level noise in a bin of few cases cannot be told from a gap: intervals hold in .6 to .8 of studies
    return Metric(name, title, "lower", values, binned=True, alike=_NOTHING, interval_at=("image",), **more)


_ALL = (
    Metric("auc", "AUC", "higher", Replicates.auc, _ONE_CLASS, over_folds="mean"),
    _of_counts("accuracy", "accuracy", metrics.accuracy_from_counts),
    _of_counts("balanced_accuracy", "bal. acc.", metrics.balanced_accuracy_from_counts, _ONE_CLASS),
    _of_counts("f1", "F1", metrics.f1_from_counts, _NOTHING_MALIGNANT, ("", "smaller")),
    _of_counts("sensitivity", "sensitivity", metrics.sensitivity_from_counts, _NO_MALIGNANT, ("malignant",) * 2),
    _of_counts("specificity", "specificity", metrics.specificity_from_counts, _NO_BENIGN, ("benign",) * 2),
    Metric("brier", "Brier", "lower", Replicates.mean_squared_error),
    Metric("log_loss", "log-loss", "lower", Replicates.mean_log_loss, bounds=(0.0, math.inf), alike=_NOTHING),
    _of_errors("ece", "ECE", Replicates.equal_mass_error, sample=lambda r: r.equal_mass_error(True)),
    _of_errors("ece_raw", "ECE raw", Replicates.raw_equal_mass_error, no_interval=_BIASED),
    _of_errors(
        "ece_equal_width", "ECE width", Replicates.equal_width_error, sample=lambda r: r.equal_width_error(True)
    ),
    _of_errors("ece_equal_width_raw", "ECE width raw", Replicates.raw_equal_width_error, no_interval=_BIASED),
    _of_bins("brier_reliability", "reliability", "lower", metrics.reliability),
    _of_bins("brier_resolution", "resolution", "higher", metrics.resolution),
    _of_bins("brier_uncertainty", "uncertainty", "neither", metrics.uncertainty),
    Metric(
        "patient_recognition_rate", "patient rate", "higher", Replicates.mean_correct, levels=("case",), threshold=True
    ),
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
