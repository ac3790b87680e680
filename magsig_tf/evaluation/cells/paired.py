"""Paired differences between two methods: the same splits, patient folds and seeds, the same draws of cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from magsig_tf.evaluation.cells.catalogue import Metric
from magsig_tf.evaluation.cells.drop import RunKey
from magsig_tf.evaluation.cells.values import CaseBootstrap, CellValue, GroupCells, average, difference
from magsig_tf.runs.matrix import Group
from magsig_tf.runs.run import Run, run_name


@dataclass(frozen=True)
class Pair:
    """Two groups cut down to the runs that both have.

    Args:
        first: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        left_out: Each run that has no partner: its name and why.
    """

    first: Group
    reference: Group
    left_out: dict[RunKey, tuple[str, str]] = field(repr=False)

    @property
    def keys(self) -> set[RunKey]:
        """The paired runs."""
        return set(self.first.runs)

    @property
    def holdouts(self) -> set[str]:
        """The holdouts that have a paired run."""
        return {holdout for holdout, _, _ in self.first.runs}

    def runs_at(self, holdouts: Collection[str], fold: int | None = None) -> list[Run]:
        """Return the paired runs of the first group at some holdouts, perhaps of one patient fold only."""
        return [run for (h, k, _), run in self.first.runs.items() if h in holdouts and fold in (None, k)]


def pair_groups(first: Group, reference: Group, keys: Collection[RunKey] | None = None) -> Pair:
    """Pair the runs of two groups by holdout, patient fold and seed; a pair must rest on the same split.

    Args:
        first: Whose numbers come first.
        reference: Whose numbers are subtracted.
        keys: Limit the pairs to these; None takes all.
    """
    paired, left_out = [], {}
    for key in sorted({*first.runs, *reference.runs}):
        if keys is not None and key not in keys:
            continue
        reason = _why_not(first, reference, key)
        if reason:
            label = first.label if key in first.runs else reference.label
            left_out[key] = run_name(label, *key), reason
        else:
            paired.append(key)
    cut = [replace(group, runs={key: group.runs[key] for key in paired}) for group in (first, reference)]
    return Pair(cut[0], cut[1], left_out)


def _why_not(first: Group, reference: Group, key: RunKey) -> str:
    for group, other in ((first, reference), (reference, first)):
        if key not in group.runs:
            return f"{group.label} has no such run" if key in other.runs else ""
    one, two = first.runs[key], reference.runs[key]
    if one.split_hash != two.split_hash:
        return f"split {one.split_hash}, that of {reference.label} is {two.split_hash}"
    # a difference between other images, cases or labels would be no paired one
    columns = ["row", "case", "label"]
    tested, wanted = (run.part("test")[columns].sort_values("row").to_numpy() for run in (one, two))
    return "" if np.array_equal(tested, wanted) else f"other test images than that of {reference.label}"


@dataclass(frozen=True)
class PairedValue:
    """One metric of two groups on the same runs.

    Args:
        first: Of the first group.
        reference: Of the reference.
        difference: First minus reference, replicate by replicate.
    """

    first: CellValue
    reference: CellValue
    difference: CellValue


class PairedCells:
    """Cells of a pair of groups at one level.

    Args:
        pair: The two groups.
        level: "image" or "case".
        metrics: The metrics to calculate.
        bootstrap: The common cases and draws.
        threshold: Decision threshold, or "validation" to choose it on each run's validation part.
    """

    def __init__(
        self, pair: Pair, level: str, metrics: Sequence[Metric], bootstrap: CaseBootstrap, threshold: float | str = 0.5
    ):
        self.pair, self.level = pair, level
        self._first = GroupCells(pair.first, level, metrics, bootstrap, threshold)
        self._reference = GroupCells(pair.reference, level, metrics, bootstrap, threshold)
        self.metrics = self._first.metrics

    def values(self, holdouts: Sequence[str], fold: int | None = None) -> dict[str, PairedValue]:
        """Return every metric of the joined test predictions of some holdouts; empty without a paired run.

        Differences are taken for each seed and then averaged.

        Args:
            holdouts: Holdouts whose paired runs are joined.
            fold: Limit the runs to this patient fold.
        """
        by_seed: list[dict[str, PairedValue]] = []
        for seed in self.pair.first.seeds:
            folds = [k for k in self.pair.first.folds_at(seed, holdouts) if fold in (None, k)]
            first = self._first.values(seed, holdouts, folds, "test")
            reference = self._reference.values(seed, holdouts, folds, "test")
            if first and reference:
                by_seed.append(
                    {m: PairedValue(first[m], reference[m], difference(first[m], reference[m])) for m in first}
                )
        if not by_seed:
            return {}
        sides = ("first", "reference", "difference")
        return {
            name: PairedValue(*(average([getattr(values[name], side) for values in by_seed]) for side in sides))
            for name in by_seed[0]
        }
