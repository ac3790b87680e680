"""The runs of a study as they lie on disk: found in one place, and read where they are finished."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.runs.record import FILE
from magsig_tf.runs.run import Run
from magsig_tf.workspace import Workspace


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


def find_runs(workspace: Workspace, dataset: str, folders: Collection[Path] | None = None) -> list[Run]:
    """Return every run of a data set that has begun, by folder.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        folders: Read the runs in these folders only; None reads all.

    Raises:
        RunError: the record of one is damaged or of a later version.
    """
    found = (path.parent for path in sorted(workspace.runs(dataset).glob(f"*/*/*/{FILE}")))
    return [Run.found(folder) for folder in found if folders is None or folder in folders]


def datasets_with_runs(workspace: Workspace) -> set[str]:
    """Return the names of the data sets that have runs."""
    return {path.relative_to(workspace.root).parts[1] for path in workspace.root.glob(f"runs/*/*/*/*/{FILE}")}


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
    kept = _chosen(find_runs(workspace, dataset, folders), methods, configs)
    finished = [run for run in kept if run.record.status == "done"]
    unfinished: list[tuple[str, str]] = [(run.name, run.record.status) for run in kept if run.record.status != "done"]
    if not finished:
        states = f": {len(unfinished)} running or failed" if unfinished else ""
        raise RunError(
            f"Expected finished runs in {workspace.runs(dataset)}",
            f"found none{states}",
            "Run `magsig train --method baseline --holdout all`",
        )
    _check_data(workspace, dataset, finished)
    for run in finished:
        _ = run.predictions, run.batch_statistics  # damaged files are told before anything is calculated
    _check_splits(finished)
    finished.sort(key=lambda run: (run.method, run.config_hash, run.holdout, run.patient_fold, run.seed))
    return LoadedRuns(dataset, finished, unfinished)


def _chosen(found: list[Run], methods: Collection[str] | None, configs: Collection[str] | None) -> list[Run]:
    known = {run.method for run in found}
    for name in methods or ():
        if name not in known:
            raise UsageError("Expected a method with runs", f"found none of {name!r}", nearest(name, known))
    hashes = {run.config_hash for run in found}
    for start in configs or ():
        if not any(value.startswith(start) for value in hashes):
            raise UsageError(
                "Expected the hash of a config with runs", f"found none of {start!r}", nearest(start, hashes)
            )
    return [
        run
        for run in found
        if (not methods or run.method in methods)
        and (not configs or any(run.config_hash.startswith(start) for start in configs))
    ]


def _check_data(workspace: Workspace, dataset: str, finished: list[Run]) -> None:
    prepared = workspace.data(dataset) / "dataset.json"
    first = finished[0].dataset_hash
    wanted = read_json(prepared).get("content_hash") if prepared.exists() else first
    others = [run for run in finished if run.dataset_hash != wanted]
    if others:
        raise RunError(
            f"Expected runs on data set {dataset!r} with hash {wanted}",
            f"found {len(others)} on other data, first {others[0].folder} with hash {others[0].dataset_hash}",
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
