"""The drop at a magnification: tested when held out, against the same images when it was a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.evaluation.cells import CellValue, GroupCells, average, difference
from magsig_tf.evaluation.matrix import Matrix

NOT_RUN = "not run"


@dataclass(frozen=True)
class Drop:
    """The drop at one holdout, for every metric by name.

    Args:
        held_out_minus_source: Empty where it is not run.
        as_source: The same test cases and magnification, in runs with other holdouts.
        reason: Why it is absent or rests on fewer runs than it should; else empty.
    """

    held_out_minus_source: dict[str, CellValue] = field(repr=False)
    as_source: dict[str, CellValue] = field(repr=False)
    reason: str = ""


def drop_at(cells: GroupCells, matrix: Matrix, holdout: str) -> Drop:
    """Return held-out minus source at one magnification.

    For a seed and another holdout, both sides use the patient folds that have both runs, so each difference is between
    the same images. Differences are averaged over the other holdouts, then over seeds.

    Args:
        cells: The cells of one group at one level.
        matrix: All runs.
        holdout: The magnification.
    """
    others = [other for other in matrix.holdouts if other != holdout]
    drops, sources, used = [], [], set()
    for seed in matrix.seeds:
        pairs = []
        for other in others:
            held_out, source = _same_images(cells, matrix, seed, holdout, other)
            if held_out and source:
                pairs.append((held_out, source))
                used.add(other)
        if pairs:
            drops.append(_by_metric([{name: difference(h[name], s[name]) for name in h} for h, s in pairs]))
            sources.append(_by_metric([source for _, source in pairs]))
    if not drops:
        return Drop({}, {}, NOT_RUN)
    reason = "" if len(used) == len(others) else f"source runs of {len(used)} of {len(others)} other holdouts"
    return Drop(_by_metric(drops), _by_metric(sources), reason)


def mean_drop(drops: Sequence[Drop]) -> Drop:
    """Return the unweighted mean of the drops at several holdouts, those not run left out."""
    known = [drop for drop in drops if drop.held_out_minus_source]
    if not known:
        return Drop({}, {}, NOT_RUN)
    reason = "" if len(known) == len(drops) else f"mean of {len(known)} of {len(drops)} holdouts"
    return Drop(
        _by_metric([drop.held_out_minus_source for drop in known]),
        _by_metric([drop.as_source for drop in known]),
        reason,
    )


def _same_images(
    cells: GroupCells, matrix: Matrix, seed: int, holdout: str, other: str
) -> tuple[dict[str, CellValue], dict[str, CellValue]]:
    runs = cells.group.runs
    folds = [
        fold
        for fold in matrix.folds
        if (holdout, fold, seed) in runs
        and (other, fold, seed) in runs
        and np.array_equal(
            np.sort(runs[holdout, fold, seed].part("test")["row"]),
            np.sort(runs[other, fold, seed].part("in_domain_test", holdout)["row"]),
        )
    ]
    if not folds:
        return {}, {}
    return (
        cells.values(seed, [holdout], folds, "test"),
        cells.values(seed, [other], folds, "in_domain_test", holdout),
    )


def _by_metric(values: Sequence[dict[str, CellValue]]) -> dict[str, CellValue]:
    return {name: average([each[name] for each in values]) for name in values[0]}
