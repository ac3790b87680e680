"""Finished runs as training left them on disk: what each one is, and its checked predictions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.runs.files import batch_statistics_of, read_predictions, read_record
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Run:
    """One finished run.

    Args:
        folder: Where it lies.
        method: Name of the method.
        config_hash: Hash of everything that changes what a run computes, apart from the axes below.
        holdout: The magnification left out.
        magnifications: Those of its study: the holdout and the sources.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        dataset_hash: Content hash of the data it was trained on.
        split_hash: Hash of its split.
        selection: "source", or "oracle" for a run chosen by looking at the holdout.
        batch_statistics: "reestimated", "moving" or "frozen"; a run of a version before these rules is "moving", or
            "frozen" where its batch statistics were.
        predictions: Columns `run_files.COLUMNS`, one row per image of a part; probability is that of malignant, label
            is 0 or 1.
        info: The whole of run.json.
    """

    folder: Path
    method: str
    config_hash: str
    holdout: str
    magnifications: tuple[str, ...]
    patient_fold: int
    seed: int
    dataset_hash: str
    split_hash: str
    selection: str
    batch_statistics: str
    predictions: pd.DataFrame = field(repr=False)
    info: dict = field(repr=False)
    _parts: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The run in words, as notes and errors write it."""
        return run_name(self.method, self.holdout, self.patient_fold, self.seed)

    def part(self, part: str, magnification: str | None = None) -> pd.DataFrame:
        """Return the predictions of one part ("test", "in_domain_test", "validation"), perhaps at one magnification."""
        key = (part, magnification)
        if key not in self._parts:
            rows = self.predictions[self.predictions["part"] == part] if magnification is None else self.part(part)
            self._parts[key] = rows if magnification is None else rows[rows["magnification"] == magnification]
        return self._parts[key]


@dataclass(frozen=True)
class LoadedRuns:
    """The runs of one data set.

    Args:
        dataset: Name of the data set.
        runs: The finished ones, ordered by method, config, holdout, patient fold and seed.
        unfinished: Name and state ("running", "failed", ...) of the others.
    """

    dataset: str
    runs: list[Run]
    unfinished: list[tuple[str, str]]


def run_name(method: str, holdout: str, patient_fold: int, seed: int) -> str:
    """Return a run in words."""
    return f"{method} {holdout} fold {patient_fold} seed {seed}"


def load_runs(
    workspace: Workspace,
    dataset: str,
    *,
    methods: Collection[str] | None = None,
    configs: Collection[str] | None = None,
    folders: Collection[Path] | None = None,
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
    found = []
    for path in sorted(workspace.runs(dataset).glob("*/*/*/run.json")):
        if folders is not None and path.parent not in folders:
            continue
        found.append((path.parent, read_record(path)))
    kept = _chosen(found, methods, configs)
    finished = [(folder, info) for folder, info in kept if info["status"] == "done"]
    unfinished = [
        (run_name(info["method"], info["holdout"], info["patient_fold"], info["seed"]), info["status"])
        for _, info in kept
        if info["status"] != "done"
    ]
    if not finished:
        states = f": {len(unfinished)} running or failed" if unfinished else ""
        raise RunError(
            f"Expected finished runs in {workspace.runs(dataset)}",
            f"found none{states}",
            "Run `magsig train --method baseline --holdout all`",
        )
    _check_data(workspace, dataset, finished)
    runs = [_run(folder, info) for folder, info in finished]
    _check_splits(runs)
    runs.sort(key=lambda run: (run.method, run.config_hash, run.holdout, run.patient_fold, run.seed))
    return LoadedRuns(dataset, runs, unfinished)


def _chosen(found: list[tuple[Path, dict]], methods: Collection[str] | None, configs: Collection[str] | None) -> list:
    known = {info["method"] for _, info in found}
    for name in methods or ():
        if name not in known:
            raise UsageError("Expected a method with runs", f"found none of {name!r}", nearest(name, known))
    hashes = {info["config_hash"] for _, info in found}
    for start in configs or ():
        if not any(value.startswith(start) for value in hashes):
            raise UsageError(
                "Expected the hash of a config with runs", f"found none of {start!r}", nearest(start, hashes)
            )
    return [
        (folder, info)
        for folder, info in found
        if (not methods or info["method"] in methods)
        and (not configs or any(info["config_hash"].startswith(start) for start in configs))
    ]


def _check_data(workspace: Workspace, dataset: str, finished: list[tuple[Path, dict]]) -> None:
    prepared = workspace.data(dataset) / "dataset.json"
    wanted = read_json(prepared).get("content_hash") if prepared.exists() else finished[0][1]["dataset_hash"]
    others = [(folder, info["dataset_hash"]) for folder, info in finished if info["dataset_hash"] != wanted]
    if others:
        folder, other = others[0]
        raise RunError(
            f"Expected runs on data set {dataset!r} with hash {wanted}",
            f"found {len(others)} on other data, first {folder} with hash {other}",
            "Move them away, or prepare the other data under its own name",
        )


def _check_splits(runs: list[Run]) -> None:
    """Refuse a config whose seeds were trained on different splits of the same fold."""
    splits: dict[tuple, Run] = {}
    for run in runs:
        first = splits.setdefault((run.method, run.config_hash, run.holdout, run.patient_fold), run)
        if first.split_hash != run.split_hash:
            raise RunError(
                f"Expected one split for {run.method} {run.holdout} fold {run.patient_fold}, {first.split_hash}",
                f"found also {run.split_hash} in {run.folder}",
                "Remove the runs of the older split",
            )


def _run(folder: Path, info: dict) -> Run:
    return Run(
        folder=folder,
        method=info["method"],
        config_hash=info["config_hash"],
        holdout=info["holdout"],
        magnifications=(info["holdout"], *info["source_magnifications"]),
        patient_fold=info["patient_fold"],
        seed=info["seed"],
        dataset_hash=info["dataset_hash"],
        split_hash=info["split_hash"],
        selection=info.get("selection", "source"),
        batch_statistics=batch_statistics_of(folder, info),
        predictions=read_predictions(folder / "predictions.parquet"),
        info=info,
    )
