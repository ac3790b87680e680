"""`log.jsonl`, cut back to the checkpoint when a run resumes, and event files with the same numbers for TensorBoard."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from magsig_tf.atomic_files import write_text, writing
from magsig_tf.checksums import ChangedError, unsign
from magsig_tf.errors import UsageError

FOLDER = "tensorboard"
"""Folder of the event files, beside `log.jsonl`."""
CHANCE_OF = "domain_accuracy"
"""The scalar that is read beside chance."""
_NAMES = "events.out.tfevents.*"
_NO_SCALARS = ("kind", "step", "epoch", "chosen")


def event_files(
    folder: Path, wanted: bool | None, *, chance: float | None = None, warn: Callable[[str], None] = lambda text: None
) -> EventFiles | None:
    """Return the event files of a log; None where none are written.

    Args:
        folder: Folder of the run or GAN.
        wanted: The setting `tensorboard`: whether to write; None where the package tensorboard is installed.
        chance: Accuracy of a domain head that guesses, in [0, 1]; None draws none.
        warn: Told in a sentence where writing had to stop.

    Raises:
        UsageError: they are wanted and the package is not installed.
    """
    found = importlib.util.find_spec("tensorboard")
    installed = found is not None and found.origin is not None  # a folder of that name lying about has no origin
    if wanted and not installed:
        raise UsageError(
            "Expected the package tensorboard for --tensorboard", "found none", "pip install 'magsig[tensorboard]'"
        )
    return EventFiles(folder / FOLDER, chance, warn) if installed and wanted is not False else None


class EventFiles:
    """Mirrors the records of a log as scalars.

    There is one event file, and it says what the log says: a resumed run writes a new one from the records that were
    kept, so that no step is there twice. What cannot be written is reported once and never ends a training.

    Args:
        folder: Receives the file.
        chance: Accuracy of a domain head that guesses; None draws none.
        warn: Told in a sentence where writing had to stop.
    """

    def __init__(self, folder: Path, chance: float | None, warn: Callable[[str], None]):
        self._folder, self._chance, self._warn = folder, chance, warn
        self._file: BinaryIO | None = None

    def begin(self, kept: Iterable[Mapping[str, Any]]) -> None:
        """Write the records that a log begins with, in place of what was there."""
        with self._told():
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter

            self._folder.mkdir(parents=True, exist_ok=True)
            old = list(self._folder.glob(_NAMES))
            # a new name: one who looks on reads a file from where he stopped, and would miss what is shorter now
            self._file = (self._folder / f"events.out.tfevents.{time.time_ns()}.magsig").open("wb")
            self._records = RecordWriter(self._file)
            self._add(Event(wall_time=time.time(), file_version="brain.Event:2"))
            # tells him, too, that everything he has read begins again
            self._add(Event(wall_time=time.time(), session_log=SessionLog(status=SessionLog.START)))
            for path in old:
                path.unlink()
        for record in kept:
            self.write(record)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record of the log."""
        if self._file is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(record, self._chance).items()]
        with self._told():
            self._add(Event(wall_time=time.time(), step=record["step"], summary=Summary(value=values)))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            # what a full disk did not take was told by `write`
            with contextlib.suppress(OSError):
                self._file.close()

    def _add(self, event: Any) -> None:
        self._records.write(event.SerializeToString())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ImportError) as error:
            self.close()
            self._file = None
            found = getattr(error, "strerror", None) or " ".join(str(error).split())
            self._warn(
                f"Expected to write TensorBoard events in {self._folder}, found: {found}. Training "
                "continues without them; log.jsonl has the same numbers."
            )


def scalars(record: Mapping[str, Any], chance: float | None = None) -> dict[str, float]:
    """Return what a record of the log says, by tag.

    Args:
        record: With `kind` and `step`.
        chance: Accuracy of a domain head that guesses; None draws none.

    Returns:
        `KIND/NAME` to value; numbers that are not finite are left out. Domain accuracies have their chance beside them.
    """
    kind = record["kind"]
    found = {
        f"{kind}/{name}": float(value)
        for name, value in record.items()
        if name not in _NO_SCALARS and isinstance(value, int | float) and math.isfinite(value)
    }
    if chance is not None and f"{kind}/{CHANCE_OF}" in found:
        found[f"{kind}/{CHANCE_OF}_chance"] = chance
    return found


class RunLog:
    """Append records to `log.jsonl`.

    Args:
        path: The file.
        resume_step: Records of later steps are dropped: the steps they belong to will be taken again.
        events: Told the same records; None tells no one.
        known: What `written` returned when that step was taken; None where it is not known.

    Raises:
        ChangedError: the records up to that step are no longer those that were written.
    """

    def __init__(
        self, path: Path, resume_step: int = 0, events: EventFiles | None = None, known: Mapping[str, Any] | None = None
    ):
        self._path, self._events = path, events
        unsign(path)  # it grows from here on
        if resume_step and known is not None:
            _check_start(path, known)
        kept = [record for record in read_log(path) if record["step"] <= resume_step] if resume_step else []
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
        if events is not None:
            events.begin(kept)
        self._digest, self._bytes = hashlib.sha256(path.read_bytes()), path.stat().st_size
        with writing(path):
            self._file = path.open("a", encoding="utf-8")

    def written(self) -> dict[str, Any]:
        """Return how many bytes the log has and their SHA-256, for a checkpoint."""
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one record; numbers that are not finite are written as text, since JSON has none.

        Raises:
            MagsigError: the disk is full.
        """
        record = {"kind": kind, "step": step} | {name: _finite(value) for name, value in values.items()}
        line = json.dumps(record) + "\n"
        with writing(self._path):
            self._file.write(line)
            self._file.flush()
        self._digest.update(line.encode())
        self._bytes += len(line.encode())
        if self._events is not None:
            self._events.write(record)

    def close(self) -> None:
        """Close the file."""
        # what a full disk did not take was told by `write`; closing would try it again
        with contextlib.suppress(OSError):
            self._file.close()
        if self._events is not None:
            self._events.close()


class NoLog:
    """The log of a process that does not write."""

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Drop the record."""

    def written(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Do nothing."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log; what a crash cut off or left as rubbish at its end is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict) or not isinstance(record.get("step"), int):
            break
        records.append(record)
    return records


def _check_start(path: Path, known: Mapping[str, Any]) -> None:
    """Refuse a log that does not begin with what a checkpoint knows of it."""
    start = path.read_bytes()[: known["bytes"]] if path.is_file() else b""
    if hashlib.sha256(start).hexdigest() != known["sha256"]:
        remedy = f"Move the folder {path.parent / 'checkpoint'} aside and repeat the command: training starts again"
        raise ChangedError(f"Expected {path} as magsig wrote it", "found it changed since", remedy)


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
