"""How a training breaks off and goes on: its folder and record, its checkpoint, and the signal that asks it to stop.

A checkpoint is an .npz (no pickle) of every variable plus a JSON text, one file, so that it is there whole or not at
all. `tf.train.Checkpoint` is not used: it leaves the state of random generators out without a word; here they are
assigned from (seed, step) before each step, so a checkpoint does not need them.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf import __version__
from magsig_tf.checksums import MARK, read_signed_json, sign_folder, signing, verified, write_signed_json
from magsig_tf.errors import MagsigError, RunError, UsageError, reading_remedy
from magsig_tf.execution.workers import WorkerLost, Workers
from magsig_tf.locks import HeldError, holding
from magsig_tf.npz_files import read_npz

CHECKPOINT = "checkpoint"
"""Folder of what a training needs to go on; there until it is done."""
_META = "meta_json"


class ResumableFolder:
    """What is trained in a folder of its own, and the record that says how far it is.

    Args:
        path: The record; everything else lies beside it.
        kind: What it is, for messages: "run", "GAN".
        title: Which one it is, for the message of a second process that wants it.
        identity: Hashes that the record carries; a folder with others is refused.
        workers: The processes that train it; the chief alone writes.

    Attributes:
        record: What the file says.
    """

    def __init__(self, path: Path, kind: str, title: str, identity: Mapping[str, str], workers: Workers):
        self.path, self.kind, self.title, self.identity, self.workers = path, kind, title, dict(identity), workers
        self.record: dict[str, Any] = {}

    @contextlib.contextmanager
    def opened(self, opening: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Hold the folder while the block runs, and write into its record how the block broke off.

        Args:
            opening: Takes what the record said before (nothing where it is new) and returns what it says while the
                block runs. Called in the chief alone; not where the folder is done.

        Yields:
            The record. Where its status is `done` nothing was written, and the block has nothing to do.

        Raises:
            RunError: another process holds the folder, or its identity is another one in any of the processes.
            UsageError: from `opening` or the block; a new folder in which nothing was trained is then removed.
        """
        with contextlib.ExitStack() as held:
            self.record, is_new = self.workers.from_chief(lambda: self._begin(opening, held))
            self._check_same_everywhere()
            self.start_clock()
            try:
                yield self.record
            except UsageError:
                if self.workers.is_chief and is_new:
                    self._leave_no_trace()
                raise
            except BaseException as error:
                if self.workers.is_chief and self.record["status"] != "done":
                    failed = isinstance(error, Exception) and not isinstance(error, WorkerLost | HeldError)
                    said = {"status": "failed" if failed else "running", "error": str(error), "seconds": self.spent()}
                    with contextlib.suppress(MagsigError):  # on a full disk the first error is the one to tell
                        write_signed_json(self.path, self.record | said)
                raise

    def start_clock(self) -> None:
        """Count time from now on; what was done before has counted its own."""
        self._began = time.perf_counter()

    def spent(self) -> float:
        """Return the seconds of all attempts so far."""
        return round(self.record.get("seconds", 0.0) + time.perf_counter() - self._began, 2)

    def finish(self, outcome: Mapping[str, Any]) -> dict[str, Any]:
        """Mark the folder done, once everything else is written, and return its record.

        Args:
            outcome: What the record says beyond its opening.
        """
        record = {**self.record, "finished": now(), "seconds": self.spent(), **outcome, "status": "done"}
        record.pop("error", None)
        sign_folder(self.path.parent)
        write_signed_json(self.path, record)
        self._drop_checkpoint()
        self.record = record
        return record

    def _begin(
        self, opening: Callable[[Mapping[str, Any]], dict[str, Any]], held: contextlib.ExitStack
    ) -> tuple[dict[str, Any], bool]:
        held.enter_context(holding(self.path.parent / "lock", self.title))
        found = read_signed_json(self.path) if verified(self.path).exists() else {}
        if found:
            check_identity(found, self.identity, self.path.parent, self.kind)
        if found.get("status") == "done":
            self._drop_checkpoint()  # where a kill came between the two
            return found, False
        try:
            record = {"status": "running"} | self.identity | opening(found) | MARK
        except UsageError:
            if not found:
                self._leave_no_trace()
            raise
        write_signed_json(self.path, record)
        return record, not found

    def _check_same_everywhere(self) -> None:
        """Refuse other data in any of the processes, each of which has read its own copy."""
        problem = None
        try:
            check_identity(self.record, self.identity, self.path.parent, self.kind)
        except RunError as error:
            problem = error
        if self.workers.any(problem is not None):
            raise problem or RunError(
                f"Expected the same data in every process of the {self.kind}",
                "found other data somewhere",
                "See the messages of the other processes",
            )

    def _drop_checkpoint(self) -> None:
        shutil.rmtree(self.path.parent / CHECKPOINT, ignore_errors=True)

    def _leave_no_trace(self) -> None:
        """Remove a folder in which nothing was computed: no checkpoint, no finished part."""
        folder = self.path.parent
        if not any(path.is_dir() and path.name != "tensorboard" for path in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def check_identity(found: Mapping[str, object], identity: Mapping[str, str], place: Path, kind: str) -> None:
    """Refuse files that belong to other data, another protocol or other options.

    Args:
        found: The hashes that were stored.
        identity: Those that are wanted.
        place: Where the files lie, for the message.
        kind: What they are, for the message: "run", "GAN", "checkpoint".

    Raises:
        RunError: a hash is missing or another one.
    """
    for name, wanted in identity.items():
        if found.get(name) != wanted:
            raise RunError(
                f"Expected a {kind} with {name} {wanted}",
                f"found {found.get(name)} in {place}",
                "The data or the protocol changed since: move that folder aside, or use another --workspace",
            )


def begun(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says from its opening on: when the first attempt started, time spent, versions.

    Args:
        found: What the record said before.
    """
    import keras
    import tensorflow

    packages = {package.__name__: package.__version__ for package in (tensorflow, keras, np)}
    versions = {"magsig": __version__, "python": platform.python_version(), **packages}
    return {"started": found.get("started", now()), "seconds": found.get("seconds", 0.0), "versions": versions}


def now() -> str:
    """Return the time in UTC as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


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
    if odd := sorted(set(variables) ^ set(arrays)):
        raise _foreign(f"variables that do not match: {', '.join(odd[:3])}")
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise _foreign(f"shape {arrays[name].shape} where {tuple(variable.shape)} belongs in {name}")


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and their JSON-serialisable description to `path`, whole or not at all."""
    content: dict[str, Any] = {_META: np.frombuffer(json.dumps(dict(meta)).encode(), dtype=np.uint8), **arrays}
    with signing(path) as temporary:
        np.savez(temporary, **content)


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the description of a checkpoint.

    Raises:
        ChangedError: it is not what was written.
        RunError: the file is damaged.
    """
    try:
        arrays = read_npz(path)
        return arrays, json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError) as error:
        remedy = reading_remedy(error, "Move the run's folder aside and repeat")
        raise RunError(f"Expected a checkpoint in {path}", f"found {error}", remedy) from error


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
        if not verified(path).exists():
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
    arrays = arrays or snapshot(variables)  # of the right shapes, for the chief's values to come
    restore(variables, dict(zip(variables, workers.share([arrays[name] for name in variables]), strict=True)))
    return meta


def _foreign(found: str) -> RunError:
    return RunError(
        "Expected a checkpoint of this config", f"found {found}", "Move the run's folder aside to train it again"
    )


class Interruption(contextlib.ExitStack):
    """Context manager that turns the first SIGINT or SIGTERM into a request; a second SIGINT acts at once.

    Attributes:
        requested: Whether a signal has come.
    """

    requested = False

    def __enter__(self) -> Interruption:
        # handlers can be set in the main thread only; elsewhere signals act as they always do
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.callback(signal.signal, number, signal.signal(number, self._handle))
        return self

    def agreed(self, workers: Workers, step: int, every: int) -> bool:
        """Return whether to stop now; all processes must call it with the same step.

        Args:
            workers: The processes; several agree on it, now and then only, since that means waiting.
            step: Steps taken.
            every: Steps between two such agreements.
        """
        if workers.count > 1 and step % every:
            return False
        return workers.any(self.requested)

    def _handle(self, number: int, frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
