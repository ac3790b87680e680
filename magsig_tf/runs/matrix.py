"""The runs of a study side by side: what is missing, what may be compared, and how settings differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from magsig_tf.checksums import verified
from magsig_tf.config import AXES, BEFORE_RECIPES, Settings, deciding_settings
from magsig_tf.config_files import read_config_file
from magsig_tf.data.identity import magnification_order
from magsig_tf.errors import RunError, UsageError
from magsig_tf.runs.run import Run, run_name
from magsig_tf.statistics_rule import KEY, MARK, MOVING, OLD_KEY

SHORTEST_HASH = 6
EVERY_SEED = -1
"""Stands in a basis for the seed of a run that has none."""
Basis = frozenset[tuple[str, int, int, str]]
"""What a number rests on: (holdout, patient fold, seed, hash of the split) of its runs."""


def at_every_seed(basis: Basis) -> Basis:
    """Return the basis of an exact method on the same splits: without seeds."""
    return frozenset((holdout, fold, EVERY_SEED, split) for holdout, fold, _, split in basis)


def rest_on_the_same(one: Basis, other: Basis) -> bool:
    """Return whether two bases are one: a run without a seed counts as one of every seed."""
    return one == other or one == at_every_seed(other) or at_every_seed(one) == other


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
        dataset: Name of its data set where those of several stand side by side, and then before the label too.
    """

    method: str
    config_hash: str
    label: str
    selection: str
    batch_statistics: str
    magnifications: tuple[str, ...]
    runs: dict[tuple[str, int, int], Run] = field(repr=False)
    dataset: str = ""

    @property
    def folds(self) -> list[int]:
        """The patient folds that any of its runs tests, ascending."""
        return sorted({fold for _, fold, _ in self.runs})

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs, ascending."""
        return sorted({seed for _, _, seed in self.runs})

    @property
    def seedless(self) -> bool:
        """Whether its method is exact: each of its runs, one a split, stands for every seed."""
        return any(run.seedless for run in self.runs.values())

    def at_seeds(self, seeds: Sequence[int]) -> Group:
        """Return the group with each run of an exact method under each of some seeds; any other group as it is."""
        if not self.seedless:
            return self
        at = {(holdout, fold, seed): run for (holdout, fold, _), run in self.runs.items() for seed in seeds}
        return replace(self, runs=at)

    def name_of(self, holdout: str, fold: int, seed: int) -> str:
        """Return one of its runs, which may be missing, in a few words."""
        return run_name(self.label, holdout, fold, None if self.seedless else seed)

    def folds_at(self, seed: int, holdouts: Sequence[str]) -> list[int]:
        """Return the patient folds that have a run of this seed at one of the holdouts."""
        return sorted({fold for holdout, fold, s in self.runs if s == seed and holdout in holdouts})

    def basis(self, holdouts: Sequence[str]) -> Basis:
        """Return what its numbers at these holdouts rest on."""
        found = frozenset((*key, run.split_hash) for key, run in self.runs.items() if key[0] in holdouts)
        return at_every_seed(found) if self.seedless else found


@dataclass(frozen=True)
class Matrix:
    """All groups, and the holdouts that any of them covers.

    Args:
        groups: Ordered by method, selection (oracle last), batch statistics (moving last) and config; those of several
            data sets first by data set, as their runs come.
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

        Of an exact method one run a split is expected, under seed 0.

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
        # exact methods stand beside any seeds; groups of different seeds are not alike for having the same one beside
        alike = {basis: sum(counted[same] for same in {basis, at_every_seed(basis)}) for basis in counted}
        common = max(alike, key=lambda basis: (alike[basis], len(basis), sorted(basis)), default=None)
        return [group for group in complete if common and group.basis(holdouts) in (common, at_every_seed(common))]


def arrange(runs: Sequence[Run]) -> Matrix:
    """Sort runs into groups and find the holdouts of their matrix.

    Raises:
        RunError: two folders hold the same run, or runs of one config differ in the rule of their batch statistics.
    """
    by_config: dict[tuple[str, str, str], dict[tuple[str, int, int], Run]] = {}
    for run in runs:
        group = by_config.setdefault((run.dataset, run.method, run.config_hash), {})
        first = group.setdefault((run.holdout, run.patient_fold, run.seed), run)
        if first is not run:
            found = f"found {first.folder} and {run.folder}"
            raise RunError(f"Expected one folder for {run.name}", found, "Move one of them aside")
        other = next(iter(group.values()))
        if run.batch_statistics != other.batch_statistics:
            expected = f"Expected one rule of batch statistics for {run.method} {run.config_hash}"
            found = f"found {other.batch_statistics} in {other.folder} and {run.batch_statistics} in {run.folder}"
            raise RunError(expected, found, "Move the runs of the older version aside and train them again")
        if run.seedless != other.seedless:
            expected = f"Expected all runs of {run.method} {run.config_hash} with seeds, or all without"
            found = f"found both, in {other.folder} and {run.folder}"
            raise RunError(expected, found, "Move the runs of the older version aside and train them again")
    groups = []
    for (dataset, method, config), members in by_config.items():
        selection = "oracle" if any(run.selection == "oracle" for run in members.values()) else "source"
        siblings = [other for *of, other in by_config if of == [dataset, method]]
        short = _short(config, siblings) if len(siblings) > 1 else ""
        statistics = next(iter(members.values())).batch_statistics
        marks = ("oracle" if selection == "oracle" else "", MARK if statistics == MOVING else "")
        label = " ".join(filter(None, (f"{dataset}:" if dataset else "", method, short, *marks)))
        magnifications = magnification_order({name for run in members.values() for name in run.magnifications})
        groups.append(Group(method, config, label, selection, statistics, tuple(magnifications), members, dataset))
    order = list(dict.fromkeys(run.dataset for run in runs))
    groups.sort(
        key=lambda group: (
            *(order.index(group.dataset), group.method, group.selection == "oracle"),
            *(group.batch_statistics == MOVING, group.config_hash),
        )
    )
    return Matrix(groups, magnification_order(run.holdout for run in runs))


def _short(config: str, siblings: Sequence[str]) -> str:
    """Return the first letters of a hash, as many as tell it from its siblings."""
    lengths = range(SHORTEST_HASH, len(config))
    return config[: next((n for n in lengths if len({each[:n] for each in siblings}) == len(siblings)), len(config))]


def settings_of(group: Group) -> dict[str, Any]:
    """Return what decides the outcome of a group's runs, from the config.yaml of one of them.

    Operational settings, the axes of the matrix, the recipe's name and what an exact method does not use are left out,
    the options of the method are kept, and what a recipe sets is as before where the run is older. The rule of the
    batch statistics is that of the group, under its name of today; it is all there is where the run has no such file.
    An exact method has none.

    Raises:
        RunError: the file is no flat YAML mapping.
    """
    run = next(iter(group.runs.values()))
    left_out = {OLD_KEY, *AXES, *Settings.model_fields} - deciding_settings()
    values = dict(run.settings)
    if OLD_KEY in values and "lambda_max" in values:
        values = {"reversal": "plain", "domain_normalization": "none"} | values  # all that grl had then
    values = BEFORE_RECIPES | values if "epochs" in values else values
    values = {key: value for key, value in values.items() if key not in left_out} | {KEY: group.batch_statistics}
    unused = {*run.record.unused_settings, *([KEY] if group.seedless else [])}
    values = {key: value for key, value in values.items() if key not in unused}
    if isinstance(values.get("magnifications"), list):
        values["magnifications"] = sorted(map(str, values["magnifications"]))
    return values


def differing(first: Group, second: Group) -> dict[str, tuple[Any, Any]]:
    """Return the keys that both groups' configs have, with another value: what else than the method differs."""
    one, two = settings_of(first), settings_of(second)
    return {key: (one[key], two[key]) for key in one if key in two and one[key] != two[key]}


def counterparts(group: Group, others: Sequence[Group]) -> list[Group]:
    """Return the groups that differ from a group in their method only: the same study, selection and settings.

    Args:
        group: The group that is to be compared.
        others: Groups of another method.
    """
    study = (group.magnifications, group.selection)
    same = [other for other in others if (other.magnifications, other.selection) == study]
    return [other for other in same if not differing(group, other)]


def told_apart(groups: Sequence[Group]) -> dict[str, str]:
    """Return for each group's label the settings in which the groups differ, in words; empty for a single one.

    Args:
        groups: Groups of one method.
    """
    settings = {group.label: settings_of(group) for group in groups}
    keys = sorted({key for values in settings.values() for key in values})
    varied = [key for key in keys if len({repr(values.get(key)) for values in settings.values()}) > 1]
    return {
        label: ", ".join(f"{key} {_word(values[key])}" for key in varied if key in values)
        for label, values in settings.items()
        if varied
    }


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:40]


MARGIN_KEY = "equivalence_margin"


def margin_of(folders: Iterable[Path]) -> float:
    """Return the margin that all runs name in their config.yaml; one without the key counts with the default.

    Args:
        folders: Folders of runs, at least one.

    Raises:
        UsageError: runs name different margins, or one is no number above 0 and below 1.
    """
    default = Settings.model_fields[MARGIN_KEY].default
    found = {_named(folder / "config.yaml", default) for folder in folders}
    if len(found) > 1:
        listed = ", ".join(map(str, sorted(found)))
        raise UsageError(f"Expected runs with one {MARGIN_KEY}", f"found {listed}", "Choose with --margin")
    return found.pop()


def _named(path: Path, default: float) -> float:
    value = read_config_file(str(path)).get(MARGIN_KEY, default) if verified(path).is_file() else default
    if not isinstance(value, int | float) or not 0 < value < 1:
        expected = f"Expected {MARGIN_KEY} above 0 and below 1 in {path}"
        raise UsageError(expected, f"found {str(value)[:40]!r}", "Choose with --margin")
    return float(value)
