"""What an export says of itself in numbers: the run's test images with the probabilities that it serves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from magsig_tf import metrics
from magsig_tf.data.manifest import magnification_order

PARTS = ("test", "in_domain_test")
_OF_DECISIONS = ("accuracy", "balanced_accuracy", "f1", "sensitivity", "specificity")
_OF_PROBABILITIES = ("auc", "brier_score", "log_loss")


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
    values = {name: getattr(metrics, name)(label, probability >= threshold) for name in _OF_DECISIONS}
    values |= {name: getattr(metrics, name)(label, probability) for name in _OF_PROBABILITIES}
    return {
        "part": part,
        "magnification": magnification,
        "images": len(chosen),
        "cases": int(chosen["case"].nunique()),
        **{name: float(value) if np.isfinite(value) else None for name, value in values.items()},
    }
