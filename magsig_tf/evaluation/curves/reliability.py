"""Reliability curves: how often an image was malignant that was called so with a given probability, with bands."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.values import CaseBootstrap, held_out_answers, shared_draws
from magsig_tf.runs.matrix import Matrix
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import percentile_interval
from magsig_tf.statistics.metrics import BINS, BinSums, calibration_error, ratio
from magsig_tf.statistics.replicates import Replicates, image_units

COLUMNS = ["label", "bin", "probability", "malignant_share", "low", "high", "ece"]
COUNTS = ["cases_benign", "cases_malignant", "images", "runs"]


def reliability_table(matrix: Matrix, replicates: int = 500, level: float = 0.95) -> pd.DataFrame:
    """Return the reliability curve of every group, its held-out predictions pooled over holdouts.

    Each seed (with a fixed test cohort each seed and patient fold) gives equal-mass bins of its own, those of the ECE;
    the curves are averaged bin by bin. In a replicate the bins are formed anew.

    Args:
        matrix: The runs.
        replicates: Bootstrap replicates over cases.
        level: Coverage that the band aims at, in (0, 1).

    Returns:
        One row per label and bin: mean probability, share that is malignant with its band (NaN with fewer than 5 cases
        in a class), and the ECE of the whole curve. Empty bins are left out.
    """
    if not matrix.groups:
        return pd.DataFrame(columns=COLUMNS + COUNTS)
    draws, frames = shared_draws(matrix, replicates), []
    for group in matrix.groups:
        answers = held_out_answers(group, matrix.holdouts)
        if answers:
            frames.append(_averaged(answers, draws, level).assign(label=group.label, runs=len(group.runs)))
    return pd.concat(frames, ignore_index=True)[COLUMNS + COUNTS] if frames else pd.DataFrame(columns=COLUMNS + COUNTS)


def _averaged(answers: list[pd.DataFrame], draws: CaseBootstrap, level: float) -> pd.DataFrame:
    sums = [_bins(frame, draws) for frame in answers]
    x = _known_mean([ratio(each.probability[0], each.count[0]) for each in sums])
    y = _known_mean([ratio(each.label, each.count) for each in sums])
    seen = pd.concat(answers).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique().reindex([0, 1], fill_value=0)
    low = high = np.full(BINS, np.nan)
    if cases.min() >= FEWEST_CASES:
        drawn = [np.isfinite(y[1:, place]).any() for place in range(BINS)]
        bands = [
            percentile_interval(y[1:, place], y[0, place], level) if drawn[place] else (np.nan, np.nan)
            for place in range(BINS)
        ]
        low, high = np.array(bands).T
    table = pd.DataFrame({"bin": range(BINS), "probability": x, "malignant_share": y[0], "low": low, "high": high})
    table["ece"] = float(np.mean([calibration_error(each)[0] for each in sums]))
    table["cases_benign"], table["cases_malignant"] = int(cases[0]), int(cases[1])
    table["images"] = len(seen)
    return table[table["probability"].notna()]


def _bins(frame: pd.DataFrame, draws: CaseBootstrap) -> BinSums:
    case = draws.cases.get_indexer(frame["case"])
    units = image_units(case, frame["label"].to_numpy(), frame["probability"].to_numpy())
    return Replicates(units, draws.multiplicities).equal_mass


def _known_mean(values: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(0), known.sum(0))
