"""Rows of the explanation table: differences, quality of the GANs, and the share that the filter kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from magsig_tf.evaluation.comparison_rows import comparison_rows
from magsig_tf.evaluation.drop import NOT_RUN
from magsig_tf.evaluation.explained_differences import EXPLAINED_METRICS, ExplainedDifferences
from magsig_tf.evaluation.gan_means import FoldValues, kept_shares, mean_quality
from magsig_tf.evaluation.gan_quality import METRICS_TOLD
from magsig_tf.evaluation.matrix import Group
from magsig_tf.evaluation.summary_rows import POOLED
from magsig_tf.evaluation.units import LEVELS

ALL_FOLDS = "all"
NOT_FILTERED = "not filtered"
COLUMNS = (
    "config",
    "label",
    "holdout",
    "patient_fold",
    "level",
    "quantity",
    "compared",
    "reference",
    "reference_method",
    "features",
    "value",
    "low",
    "high",
    "p",
    "holm_p",
    "tests",
    "n",
    "words",
)


def row_of(group: Group, holdout: str, patient_fold: int | None = None, level: str = "") -> dict[str, object]:
    """Return a row of the table without a number, to be filled in.

    Args:
        group: The augmented group that it is about.
        holdout: A holdout, or "pooled".
        patient_fold: Index of the patient fold; None for all of them.
        level: "image" or "case"; empty where there is no such thing.
    """
    fold = ALL_FOLDS if patient_fold is None else str(patient_fold)
    names = {"config": group.config_hash, "label": group.label, "holdout": holdout, "patient_fold": fold}
    texts = dict.fromkeys(("compared", "reference", "reference_method", "features", "words"), "")
    return names | {"level": level} | texts | {"value": float("nan"), "tests": 0, "n": 0}


def difference_rows(differences: ExplainedDifferences) -> Iterator[dict]:
    """Yield the differences of one augmented group at every target, over all patient folds and for each one."""
    group, expected, settings = differences.group, differences.expected, differences.settings
    for (_, reference), by_level in differences.cells.items():
        pair = by_level[0].pair
        about = {"compared": pair.first.label, "reference": pair.reference.label, "reference_method": reference}
        for cells in by_level:
            for target, fold in _targets(differences, pair.keys):
                base = row_of(group, target, fold, cells.level) | about
                for row in comparison_rows(cells, target, expected, settings, fold):
                    numbers = {name: row[name] for name in ("value", "low", "high", "p")}
                    yield base | numbers | {"quantity": row["metric"], "n": row["pairs"], "words": row["reason"]}
    for (first, second), words in differences.absent.items():
        compared = group.label if first == group.method else first
        about = {"compared": compared, "reference": second, "reference_method": second, "words": words}
        for target, level, metric in product(differences.targets, LEVELS, EXPLAINED_METRICS):
            yield row_of(group, target, level=level) | about | {"quantity": metric}


def _targets(differences: ExplainedDifferences, keys: set) -> Iterator[tuple[str, int | None]]:
    for target in differences.targets:
        yield target, None
        yield from ((target, fold) for fold in sorted({k for holdout, k, _ in keys if holdout == target}))


def quality_rows(group: Group, targets: Sequence[str], folds: Sequence[FoldValues], features: str) -> Iterator[dict]:
    """Yield the quality of a group's GANs at every target, over all patient folds and for each one.

    Args:
        group: The group.
        targets: Its holdouts, perhaps with "pooled".
        folds: Its GANs.
        features: The feature space in which they are compared.
    """
    holdouts, kept = [target for target in targets if target != POOLED], kept_shares(group)
    for target in targets:
        chosen = holdouts if target == POOLED else [target]
        of_target = [fold for fold in folds if fold.holdout in chosen]
        numbers = [] if target == POOLED else sorted({fold.patient_fold for fold in of_target})
        for number in [None, *numbers]:
            base = row_of(group, target, number)
            some = [fold for fold in of_target if number in (None, fold.patient_fold)]
            for metric in METRICS_TOLD:
                yield from _metric_rows(base | {"features": features}, some, metric)
            shares = [share for (h, k, _), share in kept.items() if h in chosen and number in (None, k)]
            words = "" if shares else NOT_FILTERED if some else NOT_RUN
            share = float(np.mean(shares)) if shares else float("nan")
            yield base | {"quantity": "kept_share", "value": share, "n": len(shares), "words": words}


def _metric_rows(base: dict, folds: Sequence[FoldValues], metric: str) -> Iterator[dict]:
    mean = mean_quality(folds, metric)
    base = base | {"n": mean.gans}
    yield base | {"quantity": metric, "value": mean.value, "words": mean.words if folds else NOT_RUN}
    yield base | {"quantity": f"{metric}_floor", "value": mean.floor}
    if metric == "kid":
        yield base | {"quantity": "kid_above_floor", "value": mean.above_floor}
