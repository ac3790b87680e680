"""How well a sparse classifier does on test cases: AUC, F1 and Brier score with case-bootstrap intervals."""

from __future__ import annotations

import numpy as np

from magsig_tf.evaluation.bootstrap import FEWEST_CASES, case_multiplicities
from magsig_tf.evaluation.catalogue import METRICS
from magsig_tf.evaluation.intervals import Bootstrapped, interval
from magsig_tf.evaluation.replicates import Replicates
from magsig_tf.evaluation.units import image_units

SCORES = ("auc", "f1", "brier")


def score_columns(
    label: np.ndarray, case: np.ndarray, probability: np.ndarray, replicates: int, *names: object
) -> dict[str, object]:
    """Return the columns of one row: each score with its interval, counts of cases, and reasons for what is absent.

    Args:
        label: 0 or 1 of each test image, shape (n,).
        case: Case of each, shape (n,).
        probability: Of malignant, in [0, 1], shape (n,).
        replicates: Number B of bootstrap replicates, at least 1.
        names: What the draws are for; the same names and cases give the same draws, so that methods are paired.

    Returns:
        `auc`, `auc_low`, `auc_high` and so on, `cases_benign`, `cases_malignant`, `images` and `score_reason`.
    """
    columns: dict[str, object] = {f"{name}{end}": float("nan") for name in SCORES for end in ("", "_low", "_high")}
    cases, position = np.unique(case, return_inverse=True)
    has = np.stack([np.bincount(position, label == value, len(cases)) > 0 for value in (0, 1)]) if len(label) else None
    counts = [0, 0] if has is None else [int(each.sum()) for each in has]
    columns |= {"cases_benign": counts[0], "cases_malignant": counts[1], "images": len(label)}
    if has is None:
        return columns | {"score_reason": "no test rows"}
    # a case with both labels is a stratum of its own, as in the summary
    drawn = case_multiplicities(np.where(has.all(0), 2, has[1].astype(int)), replicates, *names)
    scored = Replicates(image_units(position, label, probability), drawn)
    reasons = []
    if min(counts) < FEWEST_CASES:
        reasons.append(f"no interval with fewer than {FEWEST_CASES} cases in a class")
    for name in SCORES:
        values = METRICS[name].values(scored)
        columns[name] = float(values[0])
        if np.isnan(values[0]):
            reasons.append(f"{METRICS[name].title} not defined: {METRICS[name].undefined}")
        elif min(counts) >= FEWEST_CASES:
            number = Bootstrapped(values[0], values[1:], tuple(counts), METRICS[name].bounds)
            columns[f"{name}_low"], columns[f"{name}_high"] = interval(number)
    return columns | {"score_reason": "; ".join(reasons)}
