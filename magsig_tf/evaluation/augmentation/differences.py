"""The three differences of the explanation table: gan to both baselines, and the resampled baseline to the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.comparison import comparison_rows
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings
from magsig_tf.reasons import NEEDS_BOTH_BASELINES, NO_METHOD, OTHER_SETTINGS, Reason
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.runs.settings import counterparts, differing
from magsig_tf.statistics.units import LEVELS

ALL_FOLDS = "all"
BASELINE = "baseline"
RESAMPLED = "baseline-resampled"
EXPLAINED_METRICS = ("auc", "brier")


class ExplainedDifferences:
    """The pairs of one augmented group.

    Args:
        group: The group.
        matrix: All runs.
        bootstrap: The common cases and draws.
        settings: How intervals are made.
    """

    def __init__(self, group: Group, matrix: Matrix, bootstrap: CaseBootstrap, settings: IntervalSettings):
        self.group, self.settings = group, settings
        self.expected = matrix.holdouts_of(group)
        self.targets = [*self.expected, POOLED] if len(self.expected) > 1 else self.expected
        self.absent: dict[tuple[str, str], Reason] = {}
        """Why a pair, named by its two methods, is not there."""
        self.pairs: dict[tuple[str, str], Pair] = {}
        for method in (BASELINE, RESAMPLED):
            self._find(matrix, method)
        self._resampling_alone()
        metrics = choose_metrics(EXPLAINED_METRICS)
        self.cells = {
            key: [PairedCells(pair, level, metrics, bootstrap) for level in LEVELS] for key, pair in self.pairs.items()
        }

    def _find(self, matrix: Matrix, method: str) -> None:
        """Pair the group with the config of a method that has its settings; of several, with the most runs."""
        key = (self.group.method, method)
        others = [other for other in matrix.groups if other.method == method]
        pairs = [pair_groups(self.group, other) for other in counterparts(self.group, others)]
        if not others:
            self.absent[key] = Reason(NO_METHOD, f"no {method}")
        elif not pairs:
            keys = sorted({name for other in others for name in differing(self.group, other)})
            words = f"{method} was run with other {', '.join(keys) or 'magnifications or selection'}"
            self.absent[key] = Reason(OTHER_SETTINGS, words)
        else:
            self.pairs[key] = max(pairs, key=lambda pair: len(pair.keys))

    def _resampling_alone(self) -> None:
        """Pair the two baselines where both have a partner among the group's runs, so that the differences add up."""
        resampled, baseline = (self.pairs.get((self.group.method, method)) for method in (RESAMPLED, BASELINE))
        if resampled is None or baseline is None:
            self.absent[RESAMPLED, BASELINE] = Reason(NEEDS_BOTH_BASELINES, "needs both baselines")
            return
        common = resampled.keys & baseline.keys
        self.pairs[RESAMPLED, BASELINE] = pair_groups(resampled.reference, baseline.reference, common)


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
    return {"words": str(reason), "reason_code": reason.code}


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
                    reason = Reason(row["reason_code"], row["reason"])
                    yield base | numbers | {"quantity": row["metric"], "n": row["pairs"]} | said_of(reason)
    for (first, second), reason in differences.absent.items():
        compared = group.label if first == group.method else first
        about = {"compared": compared, "reference": second, "reference_method": second} | said_of(reason)
        for target, level, metric in product(differences.targets, LEVELS, EXPLAINED_METRICS):
            yield row_of(group, target, level=level) | about | {"quantity": metric}


def _targets(differences: ExplainedDifferences, keys: set) -> Iterator[tuple[str, int | None]]:
    for target in differences.targets:
        yield target, None
        yield from ((target, fold) for fold in sorted({k for holdout, k, _ in keys if holdout == target}))
