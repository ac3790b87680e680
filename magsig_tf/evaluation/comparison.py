"""Two methods compared on the same runs, cases and draws: `magsig evaluate --compare METHOD REFERENCE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import pandas as pd

from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.evaluation.catalogue import choose_metrics
from magsig_tf.evaluation.cells import CaseBootstrap
from magsig_tf.evaluation.comparison_rows import comparison_rows
from magsig_tf.evaluation.intervals import INTERVAL_KIND
from magsig_tf.evaluation.matrix import Group, Matrix, arrange
from magsig_tf.evaluation.paired import Pair, PairedCells, pair_groups
from magsig_tf.evaluation.run_settings import differing
from magsig_tf.evaluation.runs import LoadedRuns
from magsig_tf.evaluation.significance import holm
from magsig_tf.evaluation.summary_rows import POOLED, IntervalSettings
from magsig_tf.evaluation.units import LEVELS


@dataclass(frozen=True)
class Comparison:
    """Paired differences between two methods.

    Args:
        dataset: Name of the data set.
        method: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        table: One row a pair of configs, holdout, level and metric; the columns are listed in docs/numbers.md.
        pairs: The pairs of configs behind it.
        differing: For each pair, the settings besides the method that differ, with both values.
        replicates: Number B of bootstrap replicates.
        level: Coverage that the intervals aim at.
        threshold: Decision threshold, or "validation".
    """

    dataset: str
    method: str
    reference: str
    table: pd.DataFrame = field(repr=False)
    pairs: list[Pair] = field(repr=False)
    differing: list[dict[str, tuple]] = field(repr=False)
    replicates: int
    level: float
    threshold: float | str

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()


def compare(
    loaded: LoadedRuns,
    method: str,
    reference: str,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    threshold: float | str = 0.5,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Calculate the differences between two methods with intervals and p-values.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        method: Whose numbers come first.
        reference: Whose numbers are subtracted; the same name compares the configs of one method with each other.
        metrics: Names of `METRICS`; None means all.
        replicates: Number B of bootstrap replicates, at least 1.
        threshold: Decision threshold in [0, 1], or "validation" to choose it on each run's validation part.
        level: Coverage that the intervals aim at, in (0, 1).
        kind: A key of `intervals.INTERVALS`.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: a method has no runs, or one config is to be compared with itself.
        RunError: no two runs can be paired.
    """
    matrix, chosen, settings = arrange(loaded.runs), choose_metrics(metrics), IntervalSettings(level, kind)
    pairs, differences = _pairs(matrix, method, reference)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    steps, rows = list(product(range(len(pairs)), LEVELS)), []
    for done, (number, unit) in enumerate(steps):
        progress(done, len(steps))
        pair = pairs[number]
        either = {*matrix.holdouts_of(pair.first), *matrix.holdouts_of(pair.reference)}
        expected = [holdout for holdout in matrix.holdouts if holdout in either]
        cells = PairedCells(pair, unit, chosen, bootstrap, threshold)
        for target in [*expected, POOLED] if len(expected) > 1 else expected:
            rows += comparison_rows(cells, target, expected, settings)
    progress(len(steps), len(steps))
    table = with_holm(pd.DataFrame(rows))
    table.insert(0, "dataset", loaded.dataset)
    table["threshold"] = str(threshold)
    return Comparison(loaded.dataset, method, reference, table, pairs, differences, replicates, level, threshold)


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's p-values and the number of tests they account for.

    Together are corrected: the pairs and holdouts of one metric at one level; pooled rows, which repeat them, apart.

    Args:
        table: Columns metric, level, holdout and p.
    """
    families = table.groupby(["metric", "level", table["holdout"] == POOLED])["p"]
    return table.assign(
        holm_p=families.transform(lambda p: holm(p.to_numpy())),
        tests=families.transform(lambda p: np.isfinite(p).sum()).astype(int),
    )


def _pairs(matrix: Matrix, method: str, reference: str) -> tuple[list[Pair], list[dict[str, tuple]]]:
    """Pair configs whose settings agree; where none do, all of them, with the settings that differ."""
    groups = [_groups_of(matrix, name) for name in (method, reference)]
    candidates = list(combinations(groups[0], 2)) if method == reference else list(product(*groups))
    if not candidates:
        raise UsageError(
            "Expected two methods, or one with several configs",
            f"found one config of {method!r}",
            f"Compare it with another method. {_known(matrix)}",
        )
    apart = [differing(*pair) for pair in candidates]
    same = [number for number, keys in enumerate(apart) if not keys] or list(range(len(candidates)))
    pairs = [pair_groups(*candidates[number]) for number in same]
    if not any(pair.keys for pair in pairs):
        example = next(f"{name}: {reason}" for name, reason in pairs[0].left_out.values())
        raise RunError(
            f"Expected runs of {method} and {reference} on the same splits, patient folds and seeds",
            f"found none ({example})",
            "Train the missing ones with the same --holdout, --patient-fold and --seed",
        )
    return pairs, [apart[number] for number in same]


def _groups_of(matrix: Matrix, method: str) -> list[Group]:
    found = [group for group in matrix.groups if group.method == method]
    if not found:
        known = {group.method for group in matrix.groups}
        raise UsageError("Expected a method with finished runs", f"found none of {method!r}", nearest(method, known))
    return found


def _known(matrix: Matrix) -> str:
    return nearest("", {group.method for group in matrix.groups})
