"""The matrix of runs: which methods were run at which holdouts, patient folds and seeds, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from magsig_tf.data.manifest import magnification_order
from magsig_tf.evaluation.runs import Run, run_name

SHORTEST_HASH = 6


@dataclass(frozen=True)
class Group:
    """The runs of one method under one config: a row of the summary. Two configs are never pooled.

    Args:
        method: Name of the method.
        config_hash: Hash of the config.
        label: What tables print: the method, with the config's first letters where the method has several, and
            "oracle" where the checkpoint was chosen by looking at the holdout.
        selection: "source" or "oracle".
        runs: By (holdout, patient fold, seed).
    """

    method: str
    config_hash: str
    label: str
    selection: str
    runs: dict[tuple[str, int, int], Run] = field(repr=False)

    def folds(self, seed: int, holdouts: Iterable[str]) -> list[int]:
        """Return the patient folds that have a run of this seed at one of the holdouts."""
        holdouts = set(holdouts)
        return sorted({fold for holdout, fold, s in self.runs if s == seed and holdout in holdouts})


@dataclass(frozen=True)
class Matrix:
    """All groups, and the axes that any of them covers.

    Args:
        groups: Ordered by method, selection (oracle last) and config.
        holdouts: In the natural order of magnifications.
        folds: Patient folds, ascending.
        seeds: Ascending.
    """

    groups: list[Group]
    holdouts: list[str]
    folds: list[int]
    seeds: list[int]

    def missing(self, group: Group, holdouts: Sequence[str] | None = None) -> list[str]:
        """Return the names of the runs that other groups, holdouts, folds or seeds let expect and this group lacks."""
        expected = product(self.holdouts if holdouts is None else holdouts, self.folds, self.seeds)
        return [run_name(group.label, *key) for key in expected if key not in group.runs]


def arrange(runs: Sequence[Run]) -> Matrix:
    """Sort runs into groups and find the axes of their matrix."""
    by_config: dict[tuple[str, str], dict[tuple[str, int, int], Run]] = {}
    for run in runs:
        group = by_config.setdefault((run.method, run.config_hash), {})
        group[run.holdout, run.patient_fold, run.seed] = run
    groups = []
    for (method, config), members in by_config.items():
        selection = "oracle" if any(run.selection == "oracle" for run in members.values()) else "source"
        siblings = [other for name, other in by_config if name == method]
        words = [method]
        if len(siblings) > 1:
            words.append(_short(config, siblings))
        if selection == "oracle":
            words.append("oracle")
        groups.append(Group(method, config, " ".join(words), selection, members))
    groups.sort(key=lambda group: (group.method, group.selection == "oracle", group.config_hash))
    return Matrix(
        groups,
        magnification_order(run.holdout for run in runs),
        sorted({run.patient_fold for run in runs}),
        sorted({run.seed for run in runs}),
    )


def _short(config: str, siblings: Sequence[str]) -> str:
    """Return the first letters of a hash, as many as tell it from its siblings."""
    length = SHORTEST_HASH
    while length < len(config) and len({other[:length] for other in siblings}) < len(siblings):
        length += 1
    return config[:length]
