"""Tables that earlier commands wrote, compared with the runs that are there now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from magsig_tf.errors import DataError
from magsig_tf.evaluation.summary.notes import some
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.runs.result_files import AXES, COLUMNS, SIGNATURE_COMMAND, SignatureResults, read_result
from magsig_tf.signatures.sources import UNTRAINED

PROBE_COMMAND = "magsig probe"
_LABELLED = ("method", "config", "label")
WANTED = {
    "signatures": (*COLUMNS["signatures"], "label", "share", "auc", "f1", "brier", "reason"),
    "signature_pairs": (*COLUMNS["signature_pairs"], "label", "adjusted", "p_value", "cka", "reason"),
    "signature_methods": (*_LABELLED, "control", "jaccard", "expected", "adjusted", "nogueira", "mean_size"),
    "signature_predictions": COLUMNS["signature_predictions"],
    "probes": (
        *("subject", "kind", "probe", "target", "rows", "control", "metric"),
        *("value", "low", "high", "chance", "cases", "embeddings", "images", "note", "note_code", "reason"),
    ),
}
"""The tables that the report reads, and the columns that it needs."""


@dataclass(frozen=True)
class ResultTables:
    """What signatures and probes left in the results folder, as far as it is of these runs.

    Args:
        frames: By name, rows of these runs only; a table that is not there or is damaged is left out.
        absent: By name, why a table is not there: "not run" with the command, or what is damaged.
        remarks: Sentences on tables that are there but not of all these runs, or of others too.
    """

    frames: dict[str, pd.DataFrame] = field(repr=False)
    absent: dict[str, str]
    remarks: list[str]

    def get(self, name: str) -> pd.DataFrame:
        """Return a table; an empty one with its columns where it is not there."""
        return self.frames.get(name, pd.DataFrame(columns=list(WANTED[name])))

    def for_claims(self) -> SignatureResults:
        """Return the tables that claims read."""
        return SignatureResults(*(self.frames.get(name) for name in COLUMNS))


def read_result_tables(folder: Path, matrix: Matrix, chosen: str = "") -> ResultTables:
    """Read the tables of signatures and probes and keep what is of these runs.

    Args:
        folder: The results folder of the data set.
        matrix: The finished runs.
        chosen: What tells the files of a part of the runs from those of all; where there are none of the part, those of
            all are read.
    """
    frames, absent, remarks = {}, {}, []
    for name, columns in WANTED.items():
        path = folder / f"{name}-{chosen}.parquet"
        path = path if chosen and path.is_file() else folder / f"{name}.parquet"
        command = PROBE_COMMAND if name == "probes" else SIGNATURE_COMMAND
        try:
            frame = read_result(path, columns, command)
        except DataError as error:
            absent[name] = f"damaged: {path.name} cannot be read ({error.found}); run `{command}` again"
            continue
        if frame is None:
            absent[name] = f"not run: `{command}`"
            continue
        # a part of the runs may read the tables of all: that these know others is as it should be
        told = not chosen or path.stem.endswith(f"-{chosen}")
        frame, said = _of_probes(frame, matrix, told) if name == "probes" else _of_runs(frame, matrix, name, told)
        remarks += [f"{path.name}: {words}; run `{command}` again." for words in [*said, *_older(path, matrix)]]
        if len(frame):
            frames[name] = frame
        else:
            absent[name] = f"not run: {path.name} belongs to other runs; run `{command}`"
    return ResultTables(frames, absent, list(dict.fromkeys(remarks)))


def _of_runs(frame: pd.DataFrame, matrix: Matrix, name: str, told: bool) -> tuple[pd.DataFrame, list[str]]:
    """Keep the rows of known configs, under the names that these have now, and say what does not fit."""
    groups = {(group.method, group.config_hash): group for group in matrix.groups}
    owner = list(zip(frame["method"], frame["config"], strict=True))
    ours = pd.Series([key in groups or key[0] == UNTRAINED for key in owner], index=frame.index)
    said = []
    if name == "signatures":
        said = _runs_apart(frame, groups.values())
        ours &= _of_known_runs(frame, groups)
    if told and not ours.all() and name == "signatures":
        said.append(f"it has rows of other runs, which are left out ({int((~ours).sum())})")
    kept = frame[ours].copy()
    if "label" in kept:
        keys = zip(kept["method"], kept["config"], kept["label"], strict=True)
        kept["label"] = [groups[m, c].label if (m, c) in groups else label for m, c, label in keys]
    return kept.reset_index(drop=True), said


def _of_known_runs(frame: pd.DataFrame, groups: dict[tuple[str, str], Group]) -> pd.Series:
    known = {(*key, *run) for key, group in groups.items() for run in group.runs}
    axes = zip(*(frame[name] for name in AXES), strict=True)
    return pd.Series([key[0] == UNTRAINED or key in known for key in axes], index=frame.index)


def _runs_apart(frame: pd.DataFrame, groups: Collection[Group]) -> list[str]:
    told = set(zip(*(frame[name] for name in AXES), strict=True))
    names = [
        run.name
        for group in groups
        for key, run in sorted(group.runs.items())
        if (group.method, group.config_hash, *key) not in told
    ]
    return [f"it lacks {len(names)} of these runs ({some(names)})"] if names else []


def _of_probes(frame: pd.DataFrame, matrix: Matrix, told: bool) -> tuple[pd.DataFrame, list[str]]:
    """Keep methods that are here, with the controls, and say where they rest on another number of runs."""
    groups = {group.label: group for group in matrix.groups}
    ours = (frame["kind"] == "control") | frame["subject"].isin(list(groups))
    said = []
    for label, group in groups.items():
        counted = frame.loc[frame["subject"] == label, "embeddings"]
        if not len(counted):
            said.append(f"it lacks {label}")
        elif counted.max() != len(group.runs):
            said.append(f"it rests on {int(counted.max())} runs of {label}, there are {len(group.runs)}")
    others = sorted(set(frame.loc[~ours, "subject"]))
    if others and told:
        said.append(f"it has {some(others)}, not among these runs and left out")
    return frame[ours].reset_index(drop=True), said


def _older(path: Path, matrix: Matrix) -> list[str]:
    """Say how many runs finished after a table was written."""
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    later = [run for group in matrix.groups for run in group.runs.values() if _finished(run.record.finished) > written]
    return [f"{len(later)} of these runs finished after it was written"] if later else []


def _finished(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
