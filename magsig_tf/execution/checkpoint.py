"""The whole state of a run in one file, so that it is there whole or not at all.

A checkpoint is an .npz (no pickle) of every variable plus a JSON text. `tf.train.Checkpoint` is not used: it leaves the
state of random generators out without a word; here they are assigned from (seed, step) before each step, so a
checkpoint does not need them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.atomic_files import replacing
from magsig_tf.errors import RunError
from magsig_tf.execution.resumable_folder import check_identity
from magsig_tf.execution.workers import Workers

_META = "meta_json"


def snapshot(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the values of named variables (over replicas: those of this process's first)."""
    return {name: np.array(variable.numpy()) for name, variable in variables.items()}


def restore(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Assign `arrays` to the variables of the same names.

    Raises:
        RunError: names or shapes differ; nothing is assigned then.
    """
    check_matching(variables, arrays)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def check_matching(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that do not belong to the variables.

    Raises:
        RunError: names or shapes differ.
    """
    if set(variables) != set(arrays):
        odd = sorted(set(variables) ^ set(arrays))
        raise _foreign(f"variables that do not match: {', '.join(odd[:3])}")
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise _foreign(f"shape {arrays[name].shape} where {tuple(variable.shape)} belongs in {name}")


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and their JSON-serialisable description to `path`, whole or not at all."""
    content: dict[str, Any] = {_META: np.frombuffer(json.dumps(dict(meta)).encode(), dtype=np.uint8), **arrays}
    with replacing(path) as temporary:
        np.savez(temporary, **content)


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the description of a checkpoint.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays, json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise RunError(
            f"Expected a checkpoint in {path}", f"found {error}", "Remove the run's folder and repeat"
        ) from error


def resume(
    path: Path,
    variables: Mapping[str, Any],
    identity: Mapping[str, str],
    workers: Workers,
    take: Callable[[dict[str, np.ndarray], dict[str, Any]], None] = lambda arrays, meta: None,
) -> dict[str, Any] | None:
    """Assign a training's last checkpoint to its variables in every process; the chief alone reads it.

    Args:
        path: The checkpoint, whose description has `identity`.
        variables: By name.
        identity: Hashes that it must carry.
        workers: The processes.
        take: Called in the chief with the arrays and the description, to take out what belongs to no variable.

    Returns:
        The rest of its description; None where there is no checkpoint yet.

    Raises:
        RunError: the file is damaged, or a checkpoint of something else.
    """
    arrays: dict[str, np.ndarray] = {}

    def read() -> dict[str, Any] | None:
        if not path.exists():
            return None
        stored, meta = read_checkpoint(path)
        check_identity(meta.pop("identity"), identity, path.parent, "checkpoint")
        take(stored, meta)
        check_matching(variables, stored)
        arrays.update(stored)
        return meta

    meta = workers.from_chief(read)
    if meta is None:
        return None
    if not arrays:
        arrays = snapshot(variables)  # of the right shapes, for the chief's values to come
    restore(variables, dict(zip(variables, workers.share([arrays[name] for name in variables]), strict=True)))
    return meta


def _foreign(found: str) -> RunError:
    return RunError(
        "Expected a checkpoint of this config", f"found {found}", "Remove the run's folder to train it again"
    )
