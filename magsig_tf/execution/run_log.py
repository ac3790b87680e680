"""`log.jsonl`: one JSON object per line, cut back to the checkpoint when a run resumes."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

from magsig_tf.atomic_files import write_text, writing
from magsig_tf.execution.event_files import EventFiles


class RunLog:
    """Append records to `log.jsonl`.

    Args:
        path: The file.
        resume_step: Records of later steps are dropped: the steps they tell of will be taken again.
        events: Told the same records; None tells no one.
    """

    def __init__(self, path: Path, resume_step: int = 0, events: EventFiles | None = None):
        self._path, self._events = path, events
        kept = [record for record in read_log(path) if record["step"] <= resume_step] if resume_step else []
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
        if events is not None:
            events.begin(kept)
        with writing(path):
            self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one record; numbers that are not finite are written as text, since JSON has none.

        Raises:
            MagsigError: the disk is full.
        """
        record = {"kind": kind, "step": step} | {key: _finite(value) for key, value in values.items()}
        with writing(self._path):
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
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


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
