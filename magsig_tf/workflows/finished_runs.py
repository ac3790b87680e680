"""What workflows that read finished runs share: which data set, where numbers go, who is told how far they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pandas as pd

from magsig_tf.runs.run import LoadedRuns, datasets_with_runs, load_runs
from magsig_tf.workspace import Workspace

Progress = Callable[[str], AbstractContextManager[Callable[..., None]]]
"""Called with what is being done; gives a context of what is told how much is done, and of how much."""


class Tidy(Protocol):
    """What was calculated, with its numbers as one tidy frame."""

    @property
    def table(self) -> pd.DataFrame:
        """The frame."""


Found = TypeVar("Found", bound=Tidy)


def silent(title: str) -> AbstractContextManager[Callable[..., None]]:
    """Show no progress."""
    return nullcontext(lambda *state: None)


@dataclass(frozen=True)
class Numbers(Generic[Found]):
    """Numbers of a study, and the files that hold them.

    Args:
        found: What was calculated, with its notes.
        files: The files written.
    """

    found: Found
    files: list[Path] = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """The numbers as one tidy frame, the rows of the files."""
        return self.found.table


def choose_dataset(workspace: Workspace, wanted: str | None) -> str:
    """Return the data set whose runs to read; runs suffice, their prepared images may be gone.

    Args:
        workspace: Where the runs lie.
        wanted: Name of the data set; None takes the only one.

    Raises:
        UsageError: there is none, the wanted one is not there, or several are and none was named.
    """
    with_runs = datasets_with_runs(workspace)
    if wanted in with_runs:
        return wanted
    if wanted is None and len(with_runs) == 1:
        return with_runs.pop()
    return workspace.choose_dataset(wanted)


def load_chosen(workspace: Workspace, dataset: str | None, **choice: Collection) -> LoadedRuns:
    """Read the finished runs that a workflow is asked for.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set; None takes the only one.
        **choice: Of `methods`, `configs` and `folders` those to keep; empty keeps all.

    Raises:
        UsageError: there is no such data set, method or config.
        RunError: nothing is finished, or files of a run are damaged.
    """
    kept = {key: values or None for key, values in choice.items()}
    return load_runs(workspace, choose_dataset(workspace, dataset), **kept)


def file_name(kind: str, name: str = "", *chosen: Collection | None) -> str:
    """Return the name of result files without their ending; empty where none are to be written.

    Files of all runs are called `<kind>`, those of a part of the runs `<kind>-<name>` where the part has a name.

    Args:
        kind: Such as "summary".
        name: Of the part.
        chosen: What chooses a part of the runs; all of them empty where all runs are read.
    """
    return f"{kind}-{name}" if name else "" if any(chosen) else kind
