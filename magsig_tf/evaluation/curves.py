"""What held-out predictions look like one by one: curves with bands over cases, and the worst answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.values import CaseBootstrap, count_cases, known_mean
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import Bootstrapped, interval
from magsig_tf.statistics.metrics import BINS, ratio
from magsig_tf.statistics.replicates import Replicates, image_units

FALSE_POSITIVE_RATES = np.linspace(0, 1, 101)
"""Those at which ROC curves are averaged."""
COVERAGES = np.linspace(0.05, 1, 20)
"""Shares of images that are decided, at which risk is averaged."""
COUNTS = ("cases_benign", "cases_malignant", "images", "runs")
WORST = ("label", "holdout", "row", "case", "malignant", "probability", "lowest", "highest", "answers", "error")

Answers = list[pd.DataFrame]
"""Test predictions; each frame has a curve of its own, and the curves are averaged."""


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

    def curve(answers: Answers, draws: CaseBootstrap) -> dict[str, np.ndarray]:
        mean = np.mean([_sensitivities(frame, draws) for frame in answers], axis=0)
        return {"false_positive_rate": FALSE_POSITIVE_RATES, "sensitivity": mean}

    behind = []
    for group, holdout in product(matrix.groups, matrix.holdouts):
        keys = sorted((fold, seed) for h, fold, seed in group.runs if h == holdout)
        frames = [_answers_of_fold(group, [holdout], fold, seed) for fold, seed in keys]
        frames = [frame for frame in frames if frame["label"].nunique() == 2]
        behind.append(({"label": group.label, "holdout": holdout, "runs": len(frames)}, frames))
    names = ("label", "holdout", "false_positive_rate", "sensitivity", "low", "high")
    return _banded(matrix, behind, curve, names, replicates, level)


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

    def curve(answers: Answers, draws: CaseBootstrap) -> dict[str, np.ndarray]:
        return {"coverage": COVERAGES, "risk": np.mean([_risks(frame, draws) for frame in answers], axis=0)}

    return _banded(matrix, _pooled(matrix), curve, ("label", "coverage", "risk", "low", "high"), replicates, level)


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

    def curve(answers: Answers, draws: CaseBootstrap) -> dict[str, np.ndarray]:
        each = [_replicates(frame, draws) for frame in answers]
        sums = [replicates.equal_mass for replicates in each]
        probability = known_mean(np.stack([ratio(one.probability[0], one.count[0]) for one in sums]))
        ece = np.full(BINS, np.mean([replicates.equal_mass_error(sample_only=True)[0] for replicates in each]))
        share = known_mean(np.stack([ratio(one.label, one.count) for one in sums]))
        return {"bin": np.arange(BINS), "probability": probability, "ece": ece, "malignant_share": share}

    names = ("label", "bin", "probability", "malignant_share", "low", "high", "ece")
    table = _banded(matrix, _pooled(matrix), curve, names, replicates, level)
    return table.dropna(subset="probability", ignore_index=True)


def _banded(
    matrix: Matrix,
    behind: Sequence[tuple[dict[str, object], Answers]],
    curve: Callable[[Answers, CaseBootstrap], dict[str, np.ndarray]],
    names: Iterable[str],
    replicates: int,
    level: float,
) -> pd.DataFrame:
    """Return curves one below the other, each with a band over cases.

    Args:
        matrix: All runs, whose curves share their draws.
        behind: Whose curve it is, and the predictions that it rests on.
        curve: Returns columns; the last one is what the band is of, with its replicates, shape (R, points).
        names: Columns of the table, before those of the counts.
        replicates: Bootstrap replicates over cases.
        level: Coverage that the band aims at, in (0, 1).
    """
    names, frames = [*names, *COUNTS], []
    runs = [run for group in matrix.groups for run in group.runs.values()]
    draws = CaseBootstrap(runs, replicates, runs[0].dataset_hash) if runs else None
    for about, answers in behind:
        if not answers or draws is None:
            continue
        columns = curve(answers, draws)
        name, values = columns.popitem()
        counts = count_cases(answers)
        low, high = np.full((2, values.shape[1]), np.nan)
        if min(counts["cases_benign"], counts["cases_malignant"]) >= FEWEST_CASES:
            for place in np.flatnonzero(np.isfinite(values[1:]).any(0)):
                # where all replicates are the same there is no band: they say nothing of how far a point may be off
                number = Bootstrapped(values[0, place], values[1:, place], ())
                low[place], high[place] = interval(number, level, "percentile").ends
        frames.append(pd.DataFrame(about | columns | {name: values[0], "low": low, "high": high} | counts))
    return pd.concat(frames, ignore_index=True)[names] if frames else pd.DataFrame(columns=names)


def _pooled(matrix: Matrix) -> list[tuple[dict[str, object], Answers]]:
    """Return the test predictions of each group and seed, its holdouts and patient folds joined.

    Where patient folds test the same images (a fixed test cohort) a fold is a repeat as a seed is, and gives a frame of
    its own: scores of several models for one image are never ranked together.
    """
    behind: list[tuple[dict[str, object], Answers]] = []
    for group in matrix.groups:
        found: Answers = []
        for seed in group.seeds:
            folds = [_answers_of_fold(group, matrix.holdouts, fold, seed) for fold in group.folds]
            folds = [frame for frame in folds if len(frame)]
            if folds:
                joined = pd.concat(folds)
                found += folds if joined["row"].duplicated().any() else [joined]
        behind.append(({"label": group.label, "runs": len(group.runs)}, found))
    return behind


def _answers_of_fold(group: Group, holdouts: Sequence[str], fold: int, seed: int) -> pd.DataFrame:
    """Return the joined test predictions of one patient fold and seed; empty without runs."""
    runs = [group.runs[h, fold, seed] for h in holdouts if (h, fold, seed) in group.runs]
    return pd.concat([run.part("test") for run in runs]) if runs else pd.DataFrame()


def _replicates(frame: pd.DataFrame, draws: CaseBootstrap) -> Replicates:
    case = draws.cases.get_indexer(frame["case"])
    units = image_units(case, frame["label"].to_numpy(), frame["probability"].to_numpy())
    return Replicates(units, draws.multiplicities)


def _sensitivities(frame: pd.DataFrame, draws: CaseBootstrap) -> np.ndarray:
    """Return the sensitivity at `FALSE_POSITIVE_RATES` of the sample and every replicate, shape (R, grid)."""
    frame = frame.sort_values("probability", ascending=False, kind="stable")
    weights = draws.multiplicities[:, draws.cases.get_indexer(frame["case"])]
    label, probability = frame["label"].to_numpy(), frame["probability"].to_numpy()
    # equal probabilities are called malignant together: the curve has one point for all of them
    last = np.append(probability[1:] != probability[:-1], True)
    positive, negative = (weights * (label == kind) for kind in (1, 0))
    curves = np.full((len(weights), len(FALSE_POSITIVE_RATES)), np.nan)
    for place, (hits, alarms) in enumerate(zip(positive, negative, strict=True)):
        if hits.any() and alarms.any():
            true, false = (np.concatenate([[0.0], rate.cumsum()[last] / rate.sum()]) for rate in (hits, alarms))
            # where several thresholds share a false positive rate, interp takes the last: the highest sensitivity
            curves[place] = np.interp(FALSE_POSITIVE_RATES, false, true)
    return curves


def _risks(frame: pd.DataFrame, draws: CaseBootstrap) -> np.ndarray:
    """Return the risk at `COVERAGES` of the sample and every replicate, shape (R, grid)."""
    probability, label = frame["probability"].to_numpy(), frame["label"].to_numpy()
    # rounded, so that .3 and .7 are equally certain in spite of their last bit
    certainty = np.round(np.abs(probability - 0.5), 12)
    order = np.argsort(-certainty, kind="stable")
    wrong = ((probability >= 0.5) != (label == 1))[order]
    last = np.append(np.diff(certainty[order]) != 0, True)
    weights = draws.multiplicities[:, draws.cases.get_indexer(frame["case"])][:, order]
    curves = np.full((len(weights), len(COVERAGES)), np.nan)
    for place, weight in enumerate(weights):
        decided, errors = weight.cumsum()[last], (weight * wrong).cumsum()[last]
        if decided[-1]:
            images = COVERAGES * decided[-1]
            at = np.interp(images, np.append(0, decided), np.append(0, errors))
            curves[place] = at / images
    return curves


def worst_images(matrix: Matrix, count: int = 2) -> pd.DataFrame:
    """Return the worst answers of each group and holdout, one image per case, so that one case does not fill the list.

    Where several runs (seeds, or patient folds with a common test cohort) answer an image, the mean of their errors
    orders the images.

    Args:
        matrix: The runs.
        count: Images of each group and holdout, at least 1.

    Returns:
        Columns `WORST`: `row` is the image's place in the manifest, `probability` the mean of its `answers`
        probabilities of malignant, between `lowest` and `highest`, `error` its distance to the truth, in [0, 1].
    """
    frames = []
    for group, holdout in product(matrix.groups, matrix.holdouts):
        tested = [group.runs[key].part("test") for key in sorted(group.runs) if key[0] == holdout]
        if tested:
            frames.append(_worst(pd.concat(tested), count).assign(label=group.label, holdout=holdout))
    return pd.concat(frames, ignore_index=True)[list(WORST)] if frames else pd.DataFrame(columns=list(WORST))


def _worst(tested: pd.DataFrame, count: int) -> pd.DataFrame:
    probability = tested.groupby("row")["probability"].agg(
        probability="mean", lowest="min", highest="max", answers="size"
    )
    images = tested.groupby("row").agg(case=("case", "first"), malignant=("label", "first"))
    answers = images.join(probability).reset_index()
    answers["error"] = (answers["probability"] - answers["malignant"]).abs()
    ordered = answers.sort_values(["error", "row"], ascending=[False, True])
    return ordered.drop_duplicates("case").head(count)
