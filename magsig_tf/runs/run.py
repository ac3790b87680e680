"""One run of a study: what it is, where it lies, how far it is, what it left; and the runs that lie on disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from magsig_tf.checksums import FILE as CHECKSUMS
from magsig_tf.checksums import is_expected, read_signed_json, verified
from magsig_tf.config import Config
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.runs.record import FILE, REMEDY, RunRecord, read_predictions, read_record
from magsig_tf.statistics_rule import FROZEN, rule_of
from magsig_tf.workspace import Workspace, folder_name


@dataclass(frozen=True)
class Run:
    """One run: (data set, method, holdout, patient fold, seed, config).

    Args:
        folder: Where it lies: `runs/<dataset>/<method>/<holdout>/<run>` below the workspace.
        method: Name of the method.
        holdout: The held-out magnification.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        config_hash: Hash of everything that changes what a run computes, apart from the axes above.
        planned: Its config where it was planned from one; a run that was found has `settings`.
        dataset: Name of its data set where runs of several stand side by side; else empty.
    """

    folder: Path
    method: str
    holdout: str
    patient_fold: int
    seed: int
    config_hash: str
    planned: Config | None = field(default=None, repr=False, compare=False)
    dataset: str = ""

    @classmethod
    def of(cls, workspace: Workspace, config: Config) -> Run:
        """Return the run that a config with single values names."""
        s, name = config.settings, config.identity_hash()
        method, holdout, fold, seed = s.method[0], s.holdout[0], config.tested_fold, s.seed[0]
        assert s.dataset is not None, "a run's config names its data set"
        # magnifications of other data sets can hold any character, and a method's import path a colon
        names = folder_name(method, "method"), folder_name(holdout, "magnification")
        above = workspace.runs(s.dataset).joinpath(*names)
        place = above / f"fold{fold}-seed{seed}-{name}"
        return cls(place, method, holdout, fold, seed, name, config)

    @classmethod
    def found(cls, folder: Path) -> Run:
        """Return the run of a folder, whatever its status.

        Raises:
            RunError: the folder holds no run, or one whose `run.json` is damaged or of a later version.
        """
        folder = Path(folder)
        if not verified(folder / FILE).is_file():
            remedy = "Name a run's folder, as `magsig train` prints it"
            raise RunError(f"Expected the folder of a run at {folder}", f"found no {FILE}", remedy)
        record = read_record(folder / FILE)
        run = cls(folder, record.method, record.holdout, record.patient_fold, record.seed, record.config_hash)
        run.__dict__["record"] = record
        return run

    @property
    def config(self) -> Config:
        """The config that it was planned from.

        Raises:
            UsageError: it was found on disk instead.
        """
        if self.planned is None:
            raise UsageError(f"Expected the config of {self.title}", "found only its folder", "Plan the run first")
        return self.planned

    @property
    def title(self) -> str:
        """The run in words."""
        seed = "" if self.seedless else f", seed {self.seed}"
        return f"{self.method}, holdout {self.holdout}, patient fold {self.patient_fold}{seed}"

    @property
    def name(self) -> str:
        """The run in a few words, for lists."""
        return run_name(self.method, self.holdout, self.patient_fold, None if self.seedless else self.seed)

    @property
    def place(self) -> str:
        """Its folder below that of all runs: dataset/method/holdout/run."""
        return "/".join(self.folder.resolve().parts[-4:])

    @property
    def workspace(self) -> Workspace:
        """The study that it belongs to."""
        return Workspace(self.folder.parents[4])

    def read(self) -> RunRecord | None:
        """Return `run.json` as it is now; None where the run has not begun."""
        path = verified(self.folder / FILE)
        return read_record(path) if path.exists() else None

    @property
    def status(self) -> str:
        """`done`, `failed`, `running` (begun and to be resumed) or `new`, as it is now."""
        return record.status if (record := self.read()) else "new"

    @cached_property
    def record(self) -> RunRecord:
        """`run.json`, read once: for a run that is finished.

        Raises:
            RunError: the run has not begun.
        """
        return type(self).found(self.folder).record

    @cached_property
    def settings(self) -> dict[str, Any]:
        """`config.yaml`, flat, as it was written, perhaps by another version; empty where there is none.

        Raises:
            RunError: the file is no flat YAML mapping.
            ChangedError: it is not what the run wrote.
        """
        path = verified(self.folder / "config.yaml")
        if not path.is_file():
            return {}
        try:
            return read_config_file(str(path))
        except UsageError as error:
            raise RunError(error.expected, error.found, REMEDY) from error

    @property
    def magnifications(self) -> tuple[str, ...]:
        """Those of its study: the held-out one and the sources."""
        return (self.holdout, *self.record.source_magnifications)

    @property
    def dataset_hash(self) -> str:
        """Content hash of the data that it was trained on."""
        return self.record.dataset_hash

    @property
    def split_hash(self) -> str:
        """Hash of its split."""
        return self.record.split_hash

    @property
    def selection(self) -> str:
        """Return "source", or "oracle" for a run chosen by looking at the holdout."""
        return self.record.selection

    @property
    def seedless(self) -> bool:
        """Whether it is of an exact method, which draws nothing: it stands for a run of every seed.

        A run that has not begun does not say so yet.
        """
        record = self.__dict__.get("record") or self.read()
        return record is not None and record.seedless

    @property
    def batch_statistics(self) -> str:
        """The rule of the batch statistics that it was evaluated with: "reestimated", "moving" or "frozen".

        An exact method trains no network: where its record names no rule, the statistics are those that it found.
        """
        return self.record.batch_statistics or (FROZEN if self.seedless else rule_of({}, self.settings))

    @property
    def precision(self) -> str:
        """Keras's policy that it was trained with."""
        return self.record.precision or "float32"

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Its predictions, one row per image of a part; see `read_predictions`."""
        return read_predictions(self.folder / "predictions.parquet")

    def with_predictions(self, predictions: pd.DataFrame, **changes: Any) -> Run:
        """Return the run as if it had left other predictions.

        Args:
            predictions: With the columns of `read_predictions`.
            **changes: Other values of fields, for instance `holdout`.
        """
        other = replace(self, **changes)
        other.__dict__.update(record=self.record, predictions=predictions)
        return other

    def of_images(self, predictions: pd.DataFrame, *, dataset: str, dataset_hash: str, split_hash: str) -> Run:
        """Return the run as one of several data sets side by side, on the images that all of them have.

        Args:
            predictions: With the columns of `read_predictions`; rows are numbers among the common images.
            dataset: Name of its data set.
            dataset_hash: Hash of the common images.
            split_hash: Hash of its split of them.
        """
        other = self.with_predictions(predictions, dataset=dataset)
        other.__dict__["record"] = self.record.with_changes(dataset_hash=dataset_hash, split_hash=split_hash)
        return other

    @cached_property
    def _parts(self) -> dict[tuple[str, str | None], pd.DataFrame]:
        return {}

    def part(self, part: str, magnification: str | None = None) -> pd.DataFrame:
        """Return the predictions of one part ("test", "in_domain_test", "validation"), perhaps at one magnification."""
        key = (part, magnification)
        if key not in self._parts:
            rows = self.predictions[self.predictions["part"] == part] if magnification is None else self.part(part)
            self._parts[key] = rows if magnification is None else rows[rows["magnification"] == magnification]
        return self._parts[key]


def run_name(method: str, holdout: str, patient_fold: int, seed: int | None) -> str:
    """Return a run in a few words without a comma, for lists of runs; a seed of None is left out."""
    return f"{method} {holdout} fold {patient_fold}" + ("" if seed is None else f" seed {seed}")


Names = Collection[str] | None
Folders = Collection[Path] | None


@dataclass(frozen=True)
class LoadedRuns:
    """The runs of one data set, or of several side by side.

    Args:
        dataset: Name of the data set; of several their names, joined by "+".
        runs: The finished ones, ordered by method, config, holdout, patient fold and seed.
        unfinished: Name and state ("running", "failed", ...) of the others.
        notes: Sentences on the images that runs of several data sets have in common.
    """

    dataset: str
    runs: list[Run]
    unfinished: list[tuple[str, str]]
    notes: tuple[str, ...] = ()


def find_runs(workspace: Workspace, dataset: str, folders: Folders = None) -> list[Run]:
    """Return every run of a data set that has begun, by folder.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        folders: Read the runs in these folders only; None reads all.

    Raises:
        RunError: the record of one is damaged or of a later version.
    """
    above = workspace.runs(dataset)
    # a run that lost its record is not a run less, which would be silent
    lost = {path.parent for path in above.glob(f"*/*/*/{CHECKSUMS}") if is_expected(path.with_name(FILE))}
    found = sorted(lost | {path.parent for path in above.glob(f"*/*/*/{FILE}")})
    return [Run.found(folder) for folder in found if folders is None or folder in folders]


def datasets_with_runs(workspace: Workspace) -> set[str]:
    """Return the names of the data sets that have runs."""
    return {path.relative_to(workspace.root).parts[1] for path in workspace.root.glob(f"runs/*/*/*/*/{FILE}")}


def load_runs(
    workspace: Workspace, dataset: str, *, methods: Names = None, configs: Names = None, folders: Folders = None
) -> LoadedRuns:
    """Read every finished run of a data set.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        methods: Keep these methods only; None keeps all.
        configs: Keep runs whose config hash begins with one of these; None keeps all.
        folders: Keep the runs in these folders only; None keeps all.

    Returns:
        The finished runs, and the names of those that are not.

    Raises:
        UsageError: a method or config was asked for that has no run.
        RunError: nothing is finished, a run belongs to other data, or its files are damaged.
    """
    kept = _chosen(find_runs(workspace, dataset, folders), methods, configs)
    finished = [run for run in kept if run.record.status == "done"]
    unfinished: list[tuple[str, str]] = [(run.name, run.record.status) for run in kept if run.record.status != "done"]
    if not finished:
        states = f": {len(unfinished)} running or failed" if unfinished else ""
        remedy = "Run `magsig train --method baseline --holdout all`"
        raise RunError(f"Expected finished runs in {workspace.runs(dataset)}", f"found none{states}", remedy)
    _check_data(workspace, dataset, finished)
    for run in finished:
        _ = run.predictions, run.batch_statistics  # damaged files are told before anything is calculated
    _check_splits(finished)
    finished.sort(key=lambda run: (run.method, run.config_hash, run.holdout, run.patient_fold, run.seed))
    return LoadedRuns(dataset, finished, unfinished)


def _chosen(found: list[Run], methods: Names, configs: Names) -> list[Run]:
    known = {run.method for run in found}
    for name in methods or ():
        if name not in known:
            raise UsageError("Expected a method with runs", f"found none of {name!r}", nearest(name, known))
    hashes = {run.config_hash for run in found}
    for start in configs or ():
        if not any(value.startswith(start) for value in hashes):
            expected = "Expected the hash of a config with runs"
            raise UsageError(expected, f"found none of {start!r}", nearest(start, hashes))
    starts = tuple(configs or ("",))
    return [run for run in found if (not methods or run.method in methods) and run.config_hash.startswith(starts)]


def _check_data(workspace: Workspace, dataset: str, finished: list[Run]) -> None:
    prepared = workspace.data(dataset) / "dataset.json"
    wanted = read_signed_json(prepared).get("content_hash") if prepared.exists() else finished[0].dataset_hash
    others = [run for run in finished if run.dataset_hash != wanted]
    if others:
        found = f"found {len(others)} on other data, first {others[0].folder} with hash {others[0].dataset_hash}"
        remedy = "Move them away, or prepare the other data under its own name"
        raise RunError(f"Expected runs on data set {dataset!r} with hash {wanted}", found, remedy)


def _check_splits(runs: list[Run]) -> None:
    """Refuse a config whose seeds were trained on different splits of the same fold."""
    splits: dict[tuple, Run] = {}
    for run in runs:
        first = splits.setdefault((run.method, run.config_hash, run.holdout, run.patient_fold), run)
        if first.split_hash != run.split_hash:
            expected = f"Expected one split for {run.method} {run.holdout} fold {run.patient_fold}, {first.split_hash}"
            found = f"found also {run.split_hash} in {run.folder}"
            raise RunError(expected, found, "Move the runs of the older split aside")
