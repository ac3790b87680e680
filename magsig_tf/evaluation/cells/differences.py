"""Differences of cells: the drop at a magnification, and two methods on the same runs, cases and draws."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from magsig_tf.evaluation.cells.catalogue import Metric
from magsig_tf.evaluation.cells.values import CaseBootstrap, CellValue, GroupCells, averaged, difference
from magsig_tf.reasons import NOT_RUN, NOTHING, SOME_DROPS, SOME_PAIRS_OF_RUNS, Reason, joined
from magsig_tf.runs.matrix import Group, Matrix, counterparts
from magsig_tf.runs.run import Run, run_name

NO_RUN = Reason(NOT_RUN, "not run")
RunKey = tuple[str, int, int]
"""Holdout, patient fold, seed."""


@dataclass(frozen=True)
class Drop:
    """The drop at one holdout, for every metric by name.

    Args:
        change: Held out minus as a source, minus always worse (`Metric.change`); empty where it is not run.
        as_source: The same test cases and magnification, in runs with other holdouts.
        runs: The held-out runs that have a partner: what both sides rest on.
        reason: Why it is absent or rests on fewer runs than it should; else empty.
    """

    change: dict[str, CellValue] = field(repr=False)
    as_source: dict[str, CellValue] = field(repr=False)
    runs: list[Run] = field(repr=False)
    reason: Reason = NOTHING


def drop_at(cells: GroupCells, matrix: Matrix, holdout: str) -> Drop:
    """Return what it changes that one magnification was not a source, minus always worse.

    A pair is a held-out run and the run of the same seed and patient fold with another holdout, on the same images. For
    a seed and another holdout, both sides use the patient folds that have the pair. Differences are averaged over the
    other holdouts, then over seeds.

    Args:
        cells: The cells of one group at one level.
        matrix: All runs.
        holdout: The magnification.
    """
    group = cells.group
    others = [other for other in matrix.holdouts_of(group) if other != holdout]
    drops, sources, pairs = [], [], 0
    used: dict[tuple[int, int], Run] = {}
    for seed in group.seeds:
        of_seed = []
        for other in others:
            folds = [fold for fold in group.folds if _is_pair(group.runs, (holdout, fold, seed), (other, fold, seed))]
            held_out = cells.values(seed, [holdout], folds, "test")
            source = cells.values(seed, [other], folds, "in_domain_test", holdout)
            if held_out and source:
                of_seed.append((held_out, source))
                used |= {(fold, seed): group.runs[holdout, fold, seed] for fold in folds}
                pairs += len(folds)
        if of_seed:
            changes = [{m.name: m.change(h[m.name], s[m.name], difference) for m in cells.metrics} for h, s in of_seed]
            drops.append(averaged(changes))
            sources.append(averaged([source for _, source in of_seed]))
    if not drops:
        return Drop({}, {}, [], NO_RUN)
    expected = len(others) * len(group.folds) * len(group.seeds)
    partial = Reason(SOME_PAIRS_OF_RUNS, f"drop from {pairs} of {expected} pairs of runs")
    reason = Reason() if pairs == expected else partial
    return Drop(averaged(drops), averaged(sources), list(used.values()), reason)


def mean_drop(drops: Sequence[Drop]) -> Drop:
    """Return the unweighted mean of the drops at several holdouts, those not run left out."""
    known = [drop for drop in drops if drop.change]
    if not known:
        return Drop({}, {}, [], NO_RUN)
    some = Reason(SOME_DROPS, f"drop of {len(known)} of {len(drops)} holdouts")
    lacking = Reason(SOME_PAIRS_OF_RUNS, "some of its drops lack pairs of runs")
    reasons = [some] * (len(known) < len(drops)) + [lacking] * any(drop.reason for drop in known)
    change, as_source = averaged([drop.change for drop in known]), averaged([drop.as_source for drop in known])
    return Drop(change, as_source, [run for drop in known for run in drop.runs], joined(reasons))


def _is_pair(runs: dict[RunKey, Run], held_out: RunKey, other: RunKey) -> bool:
    if held_out not in runs or other not in runs:
        return False
    tested, source = runs[held_out].part("test"), runs[other].part("in_domain_test", held_out[0])
    return len(tested) > 0 and np.array_equal(np.sort(tested["row"]), np.sort(source["row"]))


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
        """Return the paired runs of one side at some holdouts, perhaps of one patient fold only: of that with seeds."""
        side = self.reference if self.first.seedless else self.first
        return [run for (h, k, _), run in side.runs.items() if h in holdouts and fold in (None, k)]


def pair_groups(first: Group, reference: Group, keys: Collection[RunKey] | None = None) -> Pair:
    """Pair the runs of two groups by holdout, patient fold and seed; a pair must rest on the same split.

    A run of an exact method is paired with each seed of the other group.

    Args:
        first: Whose numbers come first.
        reference: Whose numbers are subtracted.
        keys: Limit the pairs to these; None takes all.
    """
    paired, left_out = [], {}
    of_seeds = next((group.seeds for group in (first, reference) if not group.seedless), [0])
    first, reference = first.at_seeds(of_seeds), reference.at_seeds(of_seeds)
    either = {*first.runs, *reference.runs}
    for key in sorted(either if keys is None else either.intersection(keys)):
        reason = _why_not(first, reference, key)
        if reason:
            label = first.label if key in first.runs else reference.label
            left_out[key] = run_name(label, *key), reason
        else:
            paired.append(key)
    cut = [replace(group, runs={key: group.runs[key] for key in paired}) for group in (first, reference)]
    return Pair(cut[0], cut[1], left_out)


def largest_pair(groups: Sequence[Group], others: Sequence[Group]) -> Pair | None:
    """Return the pair of groups that agree in all settings but the method; of several, that with the most runs.

    Args:
        groups: Groups of one method.
        others: Groups of another, one of which is the reference.
    """
    pairs = [pair_groups(group, other) for group in groups for other in counterparts(group, others)]
    return max(pairs, key=lambda pair: len(pair.keys), default=None)


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
        by_seed = []
        for seed in self.pair.first.seeds:
            folds = [k for k in self.pair.first.folds_at(seed, holdouts) if fold in (None, k)]
            first = self._first.values(seed, holdouts, folds, "test")
            reference = self._reference.values(seed, holdouts, folds, "test")
            if first and reference:
                by_seed.append((first, reference, {m: difference(first[m], reference[m]) for m in first}))
        sides = [averaged(side) for side in zip(*by_seed, strict=True)]
        return {name: PairedValue(*(side[name] for side in sides)) for name in sides[0]} if sides else {}
