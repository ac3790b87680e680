"""The drop at a magnification: tested when held out, against the same images when it was a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.evaluation.cells.values import CellValue, GroupCells, average, difference
from magsig_tf.reasons import NOT_RUN, NOTHING, SOME_DROPS, SOME_PAIRS_OF_RUNS, Reason, joined
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.run import Run

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
            drops.append(_by_metric(changes))
            sources.append(_by_metric([source for _, source in of_seed]))
    if not drops:
        return Drop({}, {}, [], NO_RUN)
    expected = len(others) * len(group.folds) * len(group.seeds)
    partial = Reason(SOME_PAIRS_OF_RUNS, f"drop from {pairs} of {expected} pairs of runs")
    reason = Reason() if pairs == expected else partial
    return Drop(_by_metric(drops), _by_metric(sources), list(used.values()), reason)


def mean_drop(drops: Sequence[Drop]) -> Drop:
    """Return the unweighted mean of the drops at several holdouts, those not run left out."""
    known = [drop for drop in drops if drop.change]
    if not known:
        return Drop({}, {}, [], NO_RUN)
    reasons = []
    if len(known) < len(drops):
        reasons.append(Reason(SOME_DROPS, f"drop of {len(known)} of {len(drops)} holdouts"))
    if any(drop.reason for drop in known):
        reasons.append(Reason(SOME_PAIRS_OF_RUNS, "some of its drops lack pairs of runs"))
    return Drop(
        _by_metric([drop.change for drop in known]),
        _by_metric([drop.as_source for drop in known]),
        [run for drop in known for run in drop.runs],
        joined(reasons),
    )


def _is_pair(runs: dict[RunKey, Run], held_out: RunKey, other: RunKey) -> bool:
    if held_out not in runs or other not in runs:
        return False
    tested, source = runs[held_out].part("test"), runs[other].part("in_domain_test", held_out[0])
    return len(tested) > 0 and np.array_equal(np.sort(tested["row"]), np.sort(source["row"]))


def _by_metric(values: Sequence[dict[str, CellValue]]) -> dict[str, CellValue]:
    return {name: average([each[name] for each in values]) for name in values[0]}
