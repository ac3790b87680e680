"""The paired differences that claims rest on: of the models' own predictions, or of their sparse classifiers'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from magsig_tf.evaluation.cells.catalogue import METRICS, choose_metrics
from magsig_tf.evaluation.cells.paired import Pair, PairedCells, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap, average, difference
from magsig_tf.evaluation.claims.verdicts import Estimate
from magsig_tf.evaluation.summary.frame import count_behind
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.settings import counterparts, differing

PROPOSED = "grl"
BASELINE = "baseline"
AUGMENTED = "gan"
CLAIM_METRICS = ("auc", "f1", "brier")


@dataclass(frozen=True)
class Missing:
    """A pair of methods that is not there.

    Args:
        reason: What is missing, as a clause.
        command: What supplies it.
    """

    reason: str
    command: str


def chosen_pair(matrix: Matrix, method: str, reference: str) -> Pair | Missing:
    """Return the pair of configs that agree in all settings but the method; of several, that with the most runs.

    Args:
        matrix: All runs; only those that compete are paired.
        method: Whose numbers come first.
        reference: Whose numbers are subtracted.
    """
    sides = {name: [group for group in matrix.competing if group.method == name] for name in (method, reference)}
    for name, groups in sides.items():
        if not groups:
            return Missing(f"no finished runs of {name}", f"magsig train --method {name} --holdout all")
    pairs = [pair_groups(group, other) for group in sides[method] for other in counterparts(group, sides[reference])]
    pairs = [pair for pair in pairs if pair.keys]
    if pairs:
        return max(pairs, key=lambda pair: len(pair.keys))
    keys = sorted({key for group in sides[method] for other in sides[reference] for key in differing(group, other)})
    apart = f"they differ in {', '.join(keys)}" if keys else "they share no split, patient fold and seed"
    command = f"magsig train --method {method} {reference} --holdout all"
    return Missing(f"runs of {method} and {reference} cannot be paired, {apart}", command)


class Differences:
    """The differences of one pair at image level, as the paper counts.

    Args:
        pair: The two groups.
        bootstrap: The common cases and draws.
        order: Holdouts in the order of tables.
        of: What is compared, put before each metric.
    """

    def __init__(self, pair: Pair, bootstrap: CaseBootstrap, order: Sequence[str], of: str = ""):
        self.pair, self.of = pair, of
        self.holdouts = [holdout for holdout in order if holdout in pair.holdouts]
        self._cells = PairedCells(pair, "image", choose_metrics(CLAIM_METRICS), bootstrap)

    def at(self, holdout: str, metric: str) -> Estimate:
        """Return the difference at one holdout."""
        return self._estimate(self._difference([holdout], metric), [holdout], f"{metric_title(metric)} at {holdout}")

    def mean(self, metric: str) -> Estimate:
        """Return the unweighted mean of the holdouts' differences, which never ranks answers of different models."""
        cells = [self._difference([holdout], metric) for holdout in self.holdouts]
        count = f"{len(cells)} holdout{'s' * (len(cells) > 1)}"
        return self._estimate(average(cells), self.holdouts, f"{metric_title(metric)}, mean of {count}")

    def pooled(self, metric: str) -> Estimate:
        """Return the difference on the joined predictions of all holdouts."""
        cell = self._difference(self.holdouts, metric)
        return self._estimate(cell, self.holdouts, f"{metric_title(metric)}, pooled over {', '.join(self.holdouts)}")

    def between(self, holdout: str, other: str, metric: str) -> Estimate:
        """Return by how much the difference at one holdout exceeds that at another."""
        cell = difference(self._difference([holdout], metric), self._difference([other], metric))
        words = f"{metric_title(metric)} at {holdout} less that at {other}"
        # a difference of two differences reaches twice as far
        return replace(self._estimate(cell, [holdout, other], words), bounds=(-2.0, 2.0))

    def sides(self, metric: str) -> tuple[float, float]:
        """Return the pooled values of both methods."""
        value = self._cells.values(self.holdouts)[metric]
        return value.first.value, value.reference.value

    def _difference(self, holdouts: Sequence[str], metric: str):
        return self._cells.values(holdouts)[metric].difference

    def _estimate(self, cell, holdouts: Sequence[str], words: str) -> Estimate:
        counts = count_behind(self.pair.runs_at(holdouts), "test")
        names = f"{self.pair.first.method} minus {self.pair.reference.method}"
        subject = f"{names}, {self.of}{' ' * bool(self.of)}{words}"
        return Estimate(subject, cell.values, (counts["cases_benign"], counts["cases_malignant"]))


def metric_title(metric: str) -> str:
    """Return a metric as sentences write it."""
    return {"brier": "Brier score"}.get(metric, METRICS[metric].title)
