"""The three differences of the explanation table: gan to both baselines, and the resampled baseline to the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, largest_pair, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.comparison import comparison_rows
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings
from magsig_tf.reasons import NEEDS_BOTH_BASELINES, NO_METHOD, OTHER_SETTINGS, Reason
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.runs.settings import differing
from magsig_tf.statistics.units import LEVELS

ALL_FOLDS = "all"
BASELINE = "baseline"
RESAMPLED = "baseline-resampled"
EXPLAINED_METRICS = ("auc", "brier")


def targets_of(group: Group, matrix: Matrix) -> list[str]:
    """Return the holdouts expected of a group, with "pooled" where there are several."""
    expected = matrix.holdouts_of(group)
    return [*expected, POOLED] if len(expected) > 1 else expected


def explained_pairs(group: Group, matrix: Matrix) -> dict[tuple[str, str], Pair | Reason]:
    """Return the three pairs of an augmented group by their methods, or why one is not there.

    The two baselines are paired where both have a partner among the group's runs, so that the differences add up.
    """
    found: dict[tuple[str, str], Pair | Reason] = {}
    for method in (BASELINE, RESAMPLED):
        others = [other for other in matrix.groups if other.method == method]
        keys = sorted({name for other in others for name in differing(group, other)})
        other_settings = f"{method} was run with other {', '.join(keys) or 'magnifications or selection'}"
        why = Reason(OTHER_SETTINGS, other_settings) if others else Reason(NO_METHOD, f"no {method}")
        found[group.method, method] = largest_pair([group], others) or why
    baseline, resampled = found[group.method, BASELINE], found[group.method, RESAMPLED]
    if isinstance(baseline, Pair) and isinstance(resampled, Pair):
        both = pair_groups(resampled.reference, baseline.reference, resampled.keys & baseline.keys)
        return found | {(RESAMPLED, BASELINE): both}
    return found | {(RESAMPLED, BASELINE): Reason(NEEDS_BOTH_BASELINES, "needs both baselines")}


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
    texts = dict.fromkeys(("compared", "reference", "reference_method", "features", "words", "reason_code"), "")
    return names | {"level": level} | texts | {"value": float("nan"), "tests": 0, "n": 0}


def said_of(reason: Reason) -> dict[str, str]:
    """Return the two columns of a row that say why it is as it is."""
    return {"words": str(reason), "reason_code": reason.code}


def difference_rows(
    group: Group, matrix: Matrix, bootstrap: CaseBootstrap, settings: IntervalSettings
) -> Iterator[dict]:
    """Yield the differences of one augmented group at every target, over all patient folds and for each one.

    Args:
        group: The group.
        matrix: All runs.
        bootstrap: The common cases and draws.
        settings: How intervals are made.
    """
    pairs, targets = explained_pairs(group, matrix), targets_of(group, matrix)
    expected, metrics = matrix.holdouts_of(group), choose_metrics(EXPLAINED_METRICS)
    for (_, reference), pair in pairs.items():
        if isinstance(pair, Reason):
            continue
        about = {"compared": pair.first.label, "reference": pair.reference.label, "reference_method": reference}
        by_level = {level: PairedCells(pair, level, metrics, bootstrap) for level in LEVELS}
        for level, target in product(LEVELS, targets):
            for fold in [None, *sorted({fold for holdout, fold, _ in pair.keys if holdout == target})]:
                base = row_of(group, target, fold, level) | about
                for row in comparison_rows(by_level[level], target, expected, settings, fold):
                    numbers = {name: row[name] for name in ("value", "low", "high", "p")}
                    reason = Reason(row["reason_code"], row["reason"])
                    yield base | numbers | {"quantity": row["metric"], "n": row["pairs"]} | said_of(reason)
    for (first, second), why in pairs.items():
        if isinstance(why, Pair):
            continue
        compared = group.label if first == group.method else first
        about = {"compared": compared, "reference": second, "reference_method": second} | said_of(why)
        for target, level, metric in product(targets, LEVELS, EXPLAINED_METRICS):
            yield row_of(group, target, level=level) | about | {"quantity": metric}
