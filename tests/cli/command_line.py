"""Runs `magsig` as a user types it, in this process, and holds its answers against the rules for errors."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from magsig_tf.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a command said.

    Args:
        code: Its exit status.
        out: Standard output.
        errors: Standard error.
    """

    code: int
    out: str
    errors: str

    @property
    def error(self) -> str:
        """The one line that tells what went wrong."""
        (line,) = [line for line in self.errors.splitlines() if "Error: " in line or "Failed: " in line]
        return line


def magsig(*words: object) -> Answer:
    """Run a command in this process, in the current folder."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as left, contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        main(list(map(str, words)))
    return Answer(left.value.code, out.getvalue(), errors.getvalue())


def refused(answer: Answer, code: int, *said: str) -> None:
    """Check that a command was refused: exit status, one line with expected, found and remedy, no traceback."""
    assert answer.code == code, answer.errors
    assert answer.out == ""
    assert "Traceback" not in answer.errors
    assert "Error: unexpected" not in answer.errors
    line = answer.error
    for part in ("xpected", "found", *said):
        assert part in line
    # the remedy is a sentence of its own
    assert line.rstrip().rstrip(".?").count(". ") + line.count("? ") >= 1, line


def files(folder: Path) -> list[str]:
    """Return every file below a folder, links and pipes too."""
    if not folder.exists():
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
