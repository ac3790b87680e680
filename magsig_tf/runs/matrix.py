"""The runs of a study side by side: what is missing, how settings differ, and untrained encoders beside them."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.config import AXES, Settings, deciding_settings
from magsig_tf.config_files import read_config_file
from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import RunError, UsageError
from magsig_tf.runs.run import Run
from magsig_tf.statistics_rule import KEY, MARK, MOVING, OLD_KEY
from magsig_tf.workspace import Workspace

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
        common = max(counted, key=lambda basis: (counted[basis], len(basis), sorted(basis)), default=None)
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
            found = f"found {first.folder} and {run.folder}"
            raise RunError(f"Expected one folder for {run.name}", found, "Remove the copy")
        other = next(iter(group.values()))
        if run.batch_statistics != other.batch_statistics:
            expected = f"Expected one rule of batch statistics for {run.method} {run.config_hash}"
            found = f"found {other.batch_statistics} in {other.folder} and {run.batch_statistics} in {run.folder}"
            raise RunError(expected, found, "Remove the runs of the older version and train them again")
    groups = []
    for (method, config), members in by_config.items():
        selection = "oracle" if any(run.selection == "oracle" for run in members.values()) else "source"
        siblings = [other for name, other in by_config if name == method]
        short = _short(config, siblings) if len(siblings) > 1 else ""
        statistics = next(iter(members.values())).batch_statistics
        marks = ("oracle" if selection == "oracle" else "", MARK if statistics == MOVING else "")
        label = " ".join(filter(None, (method, short, *marks)))
        magnifications = magnification_order({name for run in members.values() for name in run.magnifications})
        groups.append(Group(method, config, label, selection, statistics, tuple(magnifications), members))
    groups.sort(key=lambda g: (g.method, g.selection == "oracle", g.batch_statistics == MOVING, g.config_hash))
    return Matrix(groups, magnification_order(run.holdout for run in runs))


def _short(config: str, siblings: Sequence[str]) -> str:
    """Return the first letters of a hash, as many as tell it from its siblings."""
    lengths = range(SHORTEST_HASH, len(config))
    return config[: next((n for n in lengths if len({each[:n] for each in siblings}) == len(siblings)), len(config))]


def settings_of(group: Group) -> dict[str, Any]:
    """Return what decides the outcome of a group's runs, from the config.yaml of one of them.

    Operational settings and the axes of the matrix are left out, the options of the method are kept. The rule of the
    batch statistics is that of the group, under its name of today; it is all there is where the run has no such file.

    Raises:
        RunError: the file is no flat YAML mapping.
    """
    left_out = {OLD_KEY, *AXES, *Settings.model_fields} - deciding_settings()
    values = dict(next(iter(group.runs.values())).settings)
    if OLD_KEY in values and "lambda_max" in values:
        values = {"reversal": "plain", "domain_normalization": "none"} | values  # all that grl had then
    values = {key: value for key, value in values.items() if key not in left_out} | {KEY: group.batch_statistics}
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
    value = read_config_file(str(path)).get(MARGIN_KEY, default) if path.is_file() else default
    if not isinstance(value, int | float) or not 0 < value < 1:
        expected = f"Expected {MARGIN_KEY} above 0 and below 1 in {path}"
        raise UsageError(expected, f"found {str(value)[:40]!r}", "Choose with --margin")
    return float(value)


_AGAIN = "the next run trained with it writes it"


@dataclass(frozen=True)
class RandomEncoder:
    """The embeddings of an untrained encoder, to be read at the rows of one split.

    Args:
        label: What tables print.
        run: A run of that encoder, seed and split; its rows are meant.
        path: File that training wrote once for the encoder and seed.
    """

    label: str
    run: Run
    path: Path


def plan_random_encoders(matrix: Matrix, workspace: Workspace, dataset: str) -> tuple[list[RandomEncoder], list[str]]:
    """Return the untrained encoder of every split and seed with a finished run, once, however many methods have one.

    Args:
        matrix: The finished runs.
        workspace: Where they lie.
        dataset: Name of their data set.

    Returns:
        Those that training has written, and of the others what is missing, in words.
    """
    planned: dict[tuple, RandomEncoder] = {}
    absent: dict[str, None] = {}
    for run in (run for group in matrix.groups for run in group.runs.values()):
        encoder = run.record.encoder or "encoder"
        label, path = f"random {encoder}", workspace.random_encoder(dataset, encoder, run.seed)
        if not path.exists():
            absent[f"{label} seed {run.seed}: not written yet; {_AGAIN}"] = None
            continue
        key = (encoder, run.seed, run.holdout, run.patient_fold, run.split_hash)
        planned.setdefault(key, RandomEncoder(label, run, path))
    return list(planned.values()), list(absent)


def training_rows_missing(planned: RandomEncoder) -> str:
    """Return a note where the file has the tested rows alone, else an empty text.

    Versions that wrote it for the probes left out the cases that no split tests.

    Raises:
        RunError: the file is damaged or of other data.
    """
    rows, _ = _stored(planned.path, planned.run.dataset_hash)
    whole = np.isin(planned.run.part("validation")["row"], rows).all()
    return "" if whole else f"{planned.label} seed {planned.run.seed}: without training rows; {_AGAIN} whole"


def random_features(path: Path, dataset_hash: str, row: np.ndarray) -> np.ndarray:
    """Return a random encoder's features of some rows.

    Args:
        path: File that training wrote.
        dataset_hash: Content hash of the data set that the rows are of.
        row: Numbers of images, shape (n,).

    Returns:
        Finite float32, shape (n, p).

    Raises:
        RunError: the file is damaged, of other data, or lacks one of the rows.
    """
    rows, features = _stored(path, dataset_hash)
    place = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
    if not (rows[place] == row).all() or not np.isfinite(features).all():
        raise _damaged(path)
    return features[place]


def _stored(path: Path, dataset_hash: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a file, ascending, and their features."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found, rows, features = str(stored["dataset_hash"]), stored["row"], stored["embedding"]
        if found == dataset_hash and features.ndim == 2 and rows.shape == features.shape[:1] and features.size:
            return rows, features
    except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _damaged(path: Path) -> RunError:
    expected = f"Expected a random encoder's embeddings of this data set's rows in {path}"
    remedy = "Remove it; the next run trained with that encoder writes it again"
    return RunError(expected, "found a damaged file or one of other data", remedy)
