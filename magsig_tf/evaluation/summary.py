"""The summary: every method at every holdout, in numbers, as one tidy frame.

What each number means is written in docs/numbers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from magsig_tf.errors import UsageError
from magsig_tf.evaluation.catalogue import choose_metrics
from magsig_tf.evaluation.cells import CaseBootstrap, GroupCells
from magsig_tf.evaluation.drop import drop_at, mean_drop
from magsig_tf.evaluation.intervals import INTERVAL_KIND
from magsig_tf.evaluation.matrix import Matrix, arrange
from magsig_tf.evaluation.runs import LoadedRuns, run_name
from magsig_tf.evaluation.summary_rows import POOLED, IntervalSettings, cell_rows
from magsig_tf.evaluation.units import LEVELS


@dataclass(frozen=True)
class Summary:
    """Numbers of all finished runs of a data set.

    Args:
        dataset: Name of the data set.
        table: One row a method, config, holdout, level, metric and quantity; the columns are listed in docs/numbers.md.
        matrix: The runs behind it.
        unfinished: Name and state of runs that are not finished.
        replicates: Number of bootstrap replicates.
        level: Coverage that the intervals aim at.
        threshold: Decision threshold, or "validation".
    """

    dataset: str
    table: pd.DataFrame = field(repr=False)
    matrix: Matrix = field(repr=False)
    unfinished: list[tuple[str, str]]
    replicates: int
    level: float
    threshold: float | str

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()

    @property
    def missing(self) -> list[str]:
        """Names of runs that are not there although a group's folds, seeds and study let expect them."""
        return [run_name(g.label, *key) for g in self.matrix.groups for key in self.matrix.missing(g)]


def summarise(
    loaded: LoadedRuns,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 2000,
    threshold: float | str = 0.5,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Calculate all numbers of the finished runs, with case-bootstrap intervals.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        metrics: Names of `METRICS`; None means all.
        replicates: Number B of bootstrap replicates, at least 1.
        threshold: Decision threshold in [0, 1], or "validation" to choose it on each run's validation part.
        level: Coverage that the intervals aim at, in (0, 1).
        kind: A key of `intervals.INTERVALS`.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: a metric, threshold or kind of interval is unknown.
        RunError: the threshold is to come from validation and a run has no validation predictions of both classes.
    """
    if threshold != "validation" and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise UsageError("Expected a threshold from 0 to 1, or validation", f"found {threshold!r}")
    chosen, settings = choose_metrics(metrics), IntervalSettings(level, kind)
    matrix = arrange(loaded.runs)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    targets = [*matrix.holdouts, POOLED] if len(matrix.holdouts) > 1 else matrix.holdouts
    steps = [(group, unit) for group in matrix.groups for unit in LEVELS]
    rows: list[dict] = []
    for done, (group, unit) in enumerate(steps):
        cells = GroupCells(group, unit, chosen, bootstrap, threshold)
        drops, expected = {}, matrix.holdouts_of(group)
        for number, target in enumerate(targets):
            progress(done * len(targets) + number, len(steps) * len(targets))
            pooled = target == POOLED
            drops[target] = mean_drop([drops[h] for h in expected]) if pooled else drop_at(cells, matrix, target)
            rows += cell_rows(cells, matrix, target, drops[target], settings)
    progress(len(steps) * len(targets), len(steps) * len(targets))
    table = pd.DataFrame(rows)
    table.insert(0, "dataset", loaded.dataset)
    table["threshold"] = str(threshold)
    return Summary(loaded.dataset, table, matrix, loaded.unfinished, replicates, level, threshold)
