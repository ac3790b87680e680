"""What an export says of itself in numbers: its test images, and probabilities scaled by a temperature."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit

from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import DataError
from magsig_tf.statistics import classification as metrics
from magsig_tf.statistics.classification import log_loss

RANGE = (0.05, 20.0)
"""Temperatures that are tried."""


@dataclass(frozen=True)
class Temperature:
    """One number by which logits are divided.

    Args:
        value: The temperature; above 1 it draws probabilities towards one half.
        images: Number of validation images it was fitted to.
        log_loss_before: Their mean log-loss at temperature 1, averaged over source magnifications.
        log_loss_after: The same at `value`.
        at_edge: The best value lies at an end of `RANGE`.
    """

    value: float
    images: int
    log_loss_before: float
    log_loss_after: float
    at_edge: bool

    def facts(self) -> dict[str, object]:
        """Return the fit as plain values."""
        return asdict(self)


def fit_temperature(validation: pd.DataFrame) -> Temperature:
    """Return the temperature with the smallest log-loss, averaged over source magnifications as in training.

    Args:
        validation: Columns `logit`, `label` (0 or 1) and `magnification`; the validation part of a run.

    Raises:
        DataError: a class is missing.

    Source: Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if validation["label"].nunique() < 2:
        raise DataError(
            "Expected validation images of both classes, to fit a temperature",
            f"found {len(validation)} of {validation['label'].nunique()} class",
            "Leave out --temperature",
        )
    groups = [
        (group["label"].to_numpy(), group["logit"].to_numpy(float)) for _, group in validation.groupby("magnification")
    ]

    def loss(logarithm: float) -> float:
        return float(np.mean([log_loss(label, expit(logit / np.exp(logarithm))) for label, logit in groups]))

    bounds = tuple(np.log(RANGE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    at_edge = bool(min(found.x - bounds[0], bounds[1] - found.x) < 1e-3)
    return Temperature(float(np.exp(found.x)), len(validation), loss(0.0), float(found.fun), at_edge)


PARTS = ("test", "in_domain_test")
_OF_DECISIONS = (metrics.accuracy, metrics.balanced_accuracy, metrics.f1, metrics.sensitivity, metrics.specificity)
_OF_PROBABILITIES = (metrics.auc, metrics.brier_score, metrics.log_loss)


def served_metrics(predictions: pd.DataFrame, temperature: float, threshold: float) -> list[dict[str, object]]:
    """Return one row a part and magnification, image level.

    Args:
        predictions: Of the run.
        temperature: That is served.
        threshold: From which an image is labelled malignant.

    Returns:
        Plain values; a metric that is not defined is None.
    """
    rows = []
    for part in PARTS:
        of_part = predictions[predictions["part"] == part]
        for magnification in magnification_order(of_part["magnification"].unique()):
            rows.append(
                _row(part, magnification, of_part[of_part["magnification"] == magnification], temperature, threshold)
            )
    return rows


def _row(
    part: str, magnification: str, chosen: pd.DataFrame, temperature: float, threshold: float
) -> dict[str, object]:
    label, probability = chosen["label"].to_numpy(), expit(chosen["logit"].to_numpy(float) / temperature)
    values = {metric.__name__: metric(label, probability >= threshold) for metric in _OF_DECISIONS}
    values |= {metric.__name__: metric(label, probability) for metric in _OF_PROBABILITIES}
    return {
        "part": part,
        "magnification": magnification,
        "images": len(chosen),
        "cases": int(chosen["case"].nunique()),
        **{name: float(value) if np.isfinite(value) else None for name, value in values.items()},
    }
