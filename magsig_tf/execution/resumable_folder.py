"""A folder that is complete or resumable: a run, a GAN, the GANs of a fold."""

from __future__ import annotations

import contextlib
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf import __version__
from magsig_tf.atomic_files import holding, read_json, write_json
from magsig_tf.errors import MagsigError, RunError, UsageError
from magsig_tf.execution.workers import WorkerLost, Workers

CHECKPOINT = "checkpoint"
"""Folder of what a training needs to go on; there until it is done."""


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
                    failed = isinstance(error, Exception) and not isinstance(error, WorkerLost)
                    said = {"status": "failed" if failed else "running", "error": str(error), "seconds": self.spent()}
                    with contextlib.suppress(MagsigError):  # on a full disk the first error is the one to tell
                        write_json(self.path, self.record | said)
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
        write_json(self.path, record)
        self._drop_checkpoint()
        self.record = record
        return record

    def _begin(
        self, opening: Callable[[Mapping[str, Any]], dict[str, Any]], held: contextlib.ExitStack
    ) -> tuple[dict[str, Any], bool]:
        held.enter_context(holding(self.path.parent / "lock", self.title))
        found = read_json(self.path) if self.path.exists() else {}
        if found:
            check_identity(found, self.identity, self.path.parent, self.kind)
        if found.get("status") == "done":
            self._drop_checkpoint()  # where a kill came between the two
            return found, False
        try:
            record = {"status": "running"} | self.identity | opening(found)
        except UsageError:
            if not found:
                self._leave_no_trace()
            raise
        write_json(self.path, record)
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
                "The data or the protocol changed since: remove that folder, or use another --workspace",
            )


def begun(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says from its opening on: when the first attempt started, time spent, versions.

    Args:
        found: What the record said before.
    """
    return {"started": found.get("started", now()), "seconds": found.get("seconds", 0.0), "versions": versions()}


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    import keras
    import tensorflow

    return {
        "magsig": __version__,
        "python": platform.python_version(),
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def now() -> str:
    """Return the time in UTC as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
