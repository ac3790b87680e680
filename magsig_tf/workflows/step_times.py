"""The steps of a study that follow its runs, and how long they took, for the estimate before they are repeated.

Numbers and times in words lie here too: what is printed before anything is loaded needs them.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from magsig_tf.checksums import read_signed_json, verified, write_signed_json
from magsig_tf.errors import MagsigError
from magsig_tf.locks import short
from magsig_tf.workspace import Workspace

STEPS = ("evaluate", "signatures", "probe", "claims", "report")
"""What follows the runs, in this order."""


@dataclass(frozen=True)
class StepTimes:
    """The times of one config's steps.

    Args:
        path: Their file.
        taken: Step to its seconds and number of runs.
    """

    path: Path
    taken: dict[str, Any]

    @classmethod
    def of(cls, workspace: Workspace, dataset: str, name: str) -> StepTimes:
        """Read what is there; times that cannot be read are none."""
        path = workspace.results() / dataset / f"steps-{short(quote(name, safe=''))}.json"
        try:
            return cls(path, read_signed_json(path) if verified(path).exists() else {})
        except MagsigError:
            return cls(path, {})

    def estimate(self, step: str, runs: int) -> float:
        """Return the seconds that a step should take: as long as the last time, in proportion to its runs.

        Args:
            step: Name of the step.
            runs: Number of runs that it is to read.

        Returns:
            Seconds; NaN where it was never carried out.
        """
        try:
            found = self.taken[step]
            return float(found["seconds"]) / max(1, int(found["runs"])) * runs
        except (KeyError, TypeError, ValueError):
            return math.nan

    @contextlib.contextmanager
    def measuring(self, step: str, runs: int) -> Iterator[None]:
        """Take the time of a step that ends well, and store it."""
        began = time.perf_counter()
        yield
        self.taken[step] = {"seconds": round(time.perf_counter() - began, 2), "runs": runs}
        write_signed_json(self.path, self.taken)


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
