"""The three differences of the explanation table: gan to both baselines, and the resampled baseline to the other."""

from __future__ import annotations

from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.paired import Pair, PairedCells, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings
from magsig_tf.reasons import NEEDS_BOTH_BASELINES, NO_METHOD, OTHER_SETTINGS, Reason
from magsig_tf.runs.matrix import Group, Matrix, counterparts, differing
from magsig_tf.statistics.replicates import LEVELS

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
