"""Risk-coverage curves: the errors that remain when only the most certain images are decided."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.values import CaseBootstrap, held_out_answers, shared_draws
from magsig_tf.runs.matrix import Matrix
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import percentile_interval

GRID = np.linspace(0.05, 1, 20)
"""Shares of images that are decided."""
COLUMNS = ["label", "coverage", "risk", "low", "high", "cases_benign", "cases_malignant", "images", "runs"]


def risk_coverage_table(matrix: Matrix, replicates: int = 200, level: float = 0.95) -> pd.DataFrame:
    """Return the error rate among the most certain images of every group, held-out predictions pooled over holdouts.

    An image is called malignant at a probability of 0.5 or more, and is the more certain the further its probability
    lies from 0.5. Where only some of equally certain images are decided, they count with their mean error. Each seed
    (with a fixed test cohort each seed and patient fold) has a curve, and they are averaged at equal coverage.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases.
        level: Coverage that the band aims at, in (0, 1).

    Returns:
        One row per label and share of images decided: the risk, in [0, 1], and its band (NaN with fewer than 5 cases in
        a class).

    Source: El-Yaniv and Wiener, J. Mach. Learn. Res. 11 (2010) 1605-1641.
    """
    if not matrix.groups:
        return pd.DataFrame(columns=COLUMNS)
    draws, frames = shared_draws(matrix, replicates), []
    for group in matrix.groups:
        answers = held_out_answers(group, matrix.holdouts)
        if answers:
            frames.append(_averaged(answers, draws, level).assign(label=group.label, runs=len(group.runs)))
    return pd.concat(frames, ignore_index=True)[COLUMNS] if frames else pd.DataFrame(columns=COLUMNS)


def _averaged(answers: list[pd.DataFrame], draws: CaseBootstrap, level: float) -> pd.DataFrame:
    curves = np.mean([_curves(frame, draws) for frame in answers], axis=0)
    seen = pd.concat(answers).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique().reindex([0, 1], fill_value=0)
    low = high = np.full(len(GRID), np.nan)
    if cases.min() >= FEWEST_CASES:
        bands = [percentile_interval(curves[1:, place], curves[0, place], level) for place in range(len(GRID))]
        low, high = np.array(bands).T
    counts = {"cases_benign": int(cases[0]), "cases_malignant": int(cases[1]), "images": len(seen)}
    return pd.DataFrame({"coverage": GRID, "risk": curves[0], "low": low, "high": high} | counts)


def _curves(frame: pd.DataFrame, draws: CaseBootstrap) -> np.ndarray:
    """Return the risk at `GRID` of the sample and every replicate, shape (R, grid)."""
    probability, label = frame["probability"].to_numpy(), frame["label"].to_numpy()
    # rounded, so that .3 and .7 are equally certain in spite of their last bit
    certainty = np.round(np.abs(probability - 0.5), 12)
    order = np.argsort(-certainty, kind="stable")
    wrong = ((probability >= 0.5) != (label == 1))[order]
    last = np.append(np.diff(certainty[order]) != 0, True)
    weights = draws.multiplicities[:, draws.cases.get_indexer(frame["case"])][:, order]
    curves = np.full((len(weights), len(GRID)), np.nan)
    for place, weight in enumerate(weights):
        decided, errors = weight.cumsum()[last], (weight * wrong).cumsum()[last]
        if decided[-1]:
            images = GRID * decided[-1]
            at = np.interp(images, np.append(0, decided), np.append(0, errors))
            curves[place] = at / images
    return curves
