"""The matrix of runs: which methods were run at which holdouts, patient folds and seeds, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import RunError
from magsig_tf.runs.run import Run, run_name
from magsig_tf.statistics_rule import MARK, MOVING

SHORTEST_HASH = 6
Basis = frozenset[tuple[str, int, int, str]]
"""What a number rests on: (holdout, patient fold, seed, hash of the split) of its runs."""


@dataclass(frozen=True)
class Group:
    """The runs of one method under one config: a row of the summary. Two configs are never pooled.

    Args:
        method: Name of the method.
        config_hash: Hash of the config.
        label: What tables print: the method, with the config's first letters where the method has several, "oracle"
            where the epoch was chosen by looking at the holdout, and "moving statistics" where the runs were
            evaluated with moving averages of the batch statistics.
        selection: "source" or "oracle".
        batch_statistics: "reestimated", "moving" or "frozen"; the same for all its runs.
        magnifications: Those of its study, sources and holdouts, in the natural order.
        runs: By (holdout, patient fold, seed).
    """

    method: str
    config_hash: str
    label: str
    selection: str
    batch_statistics: str
    magnifications: tuple[str, ...]
    runs: dict[tuple[str, int, int], Run] = field(repr=False)

    @property
    def folds(self) -> list[int]:
        """The patient folds that any of its runs tests, ascending."""
        return sorted({fold for _, fold, _ in self.runs})

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs, ascending."""
        return sorted({seed for _, _, seed in self.runs})

    def folds_at(self, seed: int, holdouts: Sequence[str]) -> list[int]:
        """Return the patient folds that have a run of this seed at one of the holdouts."""
        return sorted({fold for holdout, fold, s in self.runs if s == seed and holdout in holdouts})

    def basis(self, holdouts: Sequence[str]) -> Basis:
        """Return what its numbers at these holdouts rest on."""
        return frozenset((*key, run.split_hash) for key, run in self.runs.items() if key[0] in holdouts)


@dataclass(frozen=True)
class Matrix:
    """All groups, and the holdouts that any of them covers.

    Args:
        groups: Ordered by method, selection (oracle last), batch statistics (moving last) and config.
        holdouts: In the natural order of magnifications.
    """

    groups: list[Group]
    holdouts: list[str]

    @property
    def competing(self) -> list[Group]:
        """The groups that may be compared with each other: no oracles, and none with moving statistics.

        Where all but oracles have moving statistics they are alike, and compete.
        """
        honest = [group for group in self.groups if group.selection != "oracle"]
        return [group for group in honest if group.batch_statistics != MOVING] or honest

    def holdouts_of(self, group: Group) -> list[str]:
        """Return the holdouts expected of a group: those that any group with the same magnifications has."""
        same = [other for other in self.groups if other.magnifications == group.magnifications]
        present = {holdout for other in same for holdout, _, _ in other.runs}
        return [holdout for holdout in self.holdouts if holdout in present]

    def missing(self, group: Group, holdouts: Sequence[str] | None = None) -> list[tuple[str, int, int]]:
        """Return the keys of runs that a group lacks: its patient folds and seeds at each expected holdout.

        Args:
            group: One of the groups.
            holdouts: Limit the answer to these.
        """
        expected = [h for h in self.holdouts_of(group) if holdouts is None or h in holdouts]
        return [key for key in product(expected, group.folds, group.seeds) if key not in group.runs]

    def compared(self, holdouts: Sequence[str]) -> list[Group]:
        """Return the groups whose numbers at some holdouts may be compared: they rest on the same splits and seeds.

        Where groups rest on different ones, the basis that most groups share is taken, of equally common ones that
        with more runs. Groups that lack a run of their own, and those that do not compete, are not among them.
        """
        complete = [group for group in self.competing if not self.missing(group, holdouts)]
        counted = Counter(basis for basis in (group.basis(holdouts) for group in complete) if basis)
        if not counted:
            return []
        common = max(counted, key=lambda basis: (counted[basis], len(basis), sorted(basis)))
        return [group for group in complete if group.basis(holdouts) == common]


def arrange(runs: Sequence[Run]) -> Matrix:
    """Sort runs into groups and find the holdouts of their matrix.

    Raises:
        RunError: two folders hold the same run, or runs of one config differ in the rule of their batch statistics.
    """
    by_config: dict[tuple[str, str], dict[tuple[str, int, int], Run]] = {}
    for run in runs:
        group = by_config.setdefault((run.method, run.config_hash), {})
        first = group.setdefault((run.holdout, run.patient_fold, run.seed), run)
        if first is not run:
            raise RunError(
                f"Expected one folder for {run_name(run.method, run.holdout, run.patient_fold, run.seed)}",
                f"found {first.folder} and {run.folder}",
                "Remove the copy",
            )
        other = next(iter(group.values()))
        if run.batch_statistics != other.batch_statistics:
            raise RunError(
                f"Expected one rule of batch statistics for {run.method} {run.config_hash}",
                f"found {other.batch_statistics} in {other.folder} and {run.batch_statistics} in {run.folder}",
                "Remove the runs of the older version and train them again",
            )
    groups = []
    for (method, config), members in by_config.items():
        selection = "oracle" if any(run.selection == "oracle" for run in members.values()) else "source"
        siblings = [other for name, other in by_config if name == method]
        words = [method]
        if len(siblings) > 1:
            words.append(_short(config, siblings))
        if selection == "oracle":
            words.append("oracle")
        statistics = next(iter(members.values())).batch_statistics
        if statistics == MOVING:
            words.append(MARK)
        magnifications = magnification_order({name for run in members.values() for name in run.magnifications})
        label = " ".join(words)
        groups.append(Group(method, config, label, selection, statistics, tuple(magnifications), members))
    groups.sort(key=_place)
    return Matrix(groups, magnification_order(run.holdout for run in runs))


def _place(group: Group) -> tuple[str, bool, bool, str]:
    return group.method, group.selection == "oracle", group.batch_statistics == MOVING, group.config_hash


def _short(config: str, siblings: Sequence[str]) -> str:
    """Return the first letters of a hash, as many as tell it from its siblings."""
    length = SHORTEST_HASH
    while length < len(config) and len({other[:length] for other in siblings}) < len(siblings):
        length += 1
    return config[:length]
