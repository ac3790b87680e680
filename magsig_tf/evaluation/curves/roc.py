"""ROC curves with bands: mean over patient folds and seeds, bootstraps over cases."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.values import CaseBootstrap, answers_of_fold, shared_draws
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import percentile_interval

GRID = np.linspace(0, 1, 101)
"""False positive rates at which curves are averaged."""
COLUMNS = ["label", "holdout", "false_positive_rate", "sensitivity", "low", "high"]
COUNTS = ["cases_benign", "cases_malignant", "images", "runs"]


def roc_table(matrix: Matrix, replicates: int = 200, level: float = 0.95) -> pd.DataFrame:
    """Return the ROC curve of every group at every holdout.

    Each run has a curve; they are averaged at equal false positive rates (vertical averaging), and so its area is the
    mean AUC over patient folds and seeds that tables show, up to the width of the grid. The band holds at each false
    positive rate by itself.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases.
        level: Coverage that the band aims at, in (0, 1).

    Returns:
        One row per label, holdout and false positive rate, with sensitivity and band (NaN with fewer than 5 cases in a
        class), and what the curve rests on. A run with one class in its test has no curve.

    Source: vertical averaging, Fawcett, Pattern Recognition Letters 27 (2006) 861-874, section 8.
    """
    if not matrix.groups:
        return pd.DataFrame(columns=COLUMNS + COUNTS)
    draws = shared_draws(matrix, replicates)
    frames = []
    for group in matrix.groups:
        for holdout in matrix.holdouts:
            tested = _tested(group, holdout)
            if tested:
                frames.append(_averaged(tested, draws, level).assign(label=group.label, holdout=holdout))
    return pd.concat(frames, ignore_index=True)[COLUMNS + COUNTS] if frames else pd.DataFrame(columns=COLUMNS + COUNTS)


def _tested(group: Group, holdout: str) -> list[pd.DataFrame]:
    keys = sorted((fold, seed) for h, fold, seed in group.runs if h == holdout)
    frames = [answers_of_fold(group, [holdout], fold, seed) for fold, seed in keys]
    return [frame for frame in frames if frame["label"].nunique() == 2]


def _averaged(tested: list[pd.DataFrame], draws: CaseBootstrap, level: float) -> pd.DataFrame:
    curves = np.mean([_curves(frame, draws) for frame in tested], axis=0)
    seen = pd.concat(tested).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique()
    low = high = np.full(len(GRID), np.nan)
    if cases.min() >= FEWEST_CASES:
        bands = [percentile_interval(curves[1:, place], curves[0, place], level) for place in range(len(GRID))]
        low, high = np.array(bands).T
    return pd.DataFrame(
        {
            "false_positive_rate": GRID,
            "sensitivity": curves[0],
            "low": low,
            "high": high,
            "cases_benign": int(cases[0]),
            "cases_malignant": int(cases[1]),
            "images": len(seen),
            "runs": len(tested),
        }
    )


def _curves(frame: pd.DataFrame, draws: CaseBootstrap) -> np.ndarray:
    """Return the sensitivity at `GRID` of the sample and every replicate, shape (R, grid)."""
    frame = frame.sort_values("probability", ascending=False, kind="stable")
    weights = draws.multiplicities[:, draws.cases.get_indexer(frame["case"])]
    label, probability = frame["label"].to_numpy(), frame["probability"].to_numpy()
    # equal probabilities are called malignant together: the curve has one point for all of them
    last = np.append(probability[1:] != probability[:-1], True)
    positive, negative = (weights * (label == kind) for kind in (1, 0))
    curves = np.full((len(weights), len(GRID)), np.nan)
    for place, (hits, alarms) in enumerate(zip(positive, negative, strict=True)):
        if hits.any() and alarms.any():
            true, false = (np.concatenate([[0.0], rate.cumsum()[last] / rate.sum()]) for rate in (hits, alarms))
            # where several thresholds share a false positive rate, interp takes the last: the highest sensitivity
            curves[place] = np.interp(GRID, false, true)
    return curves
