"""What workflows that read finished runs share: which data set, where numbers go, who is told how far they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd

from magsig_tf.errors import MagsigError, RunError, UsageError, nearest
from magsig_tf.locks import holding_folder, short
from magsig_tf.runs.run import LoadedRuns, datasets_with_runs, find_runs, load_runs
from magsig_tf.runs.side_by_side import joined_name, put_side_by_side
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


class NotWrittenError(MagsigError):
    """What was calculated cannot be written; it is not lost for that.

    Args:
        error: Why.
        result: What the workflow would have returned, without files.
    """

    def __init__(self, error: MagsigError, result: Any) -> None:
        super().__init__(error.expected, error.found, error.remedy)
        self.result = result


AnyNumbers = TypeVar("AnyNumbers", bound=Numbers)


def with_files(numbers: AnyNumbers, folder: Path | None, write: Callable[[], list[Path]]) -> AnyNumbers:
    """Write numbers and return them with their files.

    Args:
        numbers: What was calculated.
        folder: The results folder, which is held meanwhile so that its files belong together; None where nothing is
            written there.
        write: Writes, and returns the files.

    Raises:
        NotWrittenError: a file cannot be written; the error has the numbers.
    """
    try:
        with nullcontext() if folder is None else holding_folder(folder):
            return replace(numbers, files=write())
    except MagsigError as error:
        raise NotWrittenError(error, numbers) from error


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


def load_side_by_side(
    workspace: Workspace,
    datasets: Sequence[str],
    *,
    methods: Collection[str] = (),
    configs: Collection[str] = (),
    folders: Collection[Path] = (),
) -> LoadedRuns:
    """Read the finished runs of several data sets of the same images, and put them side by side.

    Args:
        workspace: Where the runs and data sets lie.
        datasets: Their names, two or more, in the order of tables.
        methods: Keep these methods, which not every data set needs to have; empty keeps all.
        configs: Keep configs whose hash begins with one of these, as with methods; empty keeps all.
        folders: Keep the runs in these folders only; empty keeps all.

    Raises:
        UsageError: there is no such data set, or none of them has a method or config.
        RunError: nothing is finished in one of them, files of a run are damaged, or their splits differ.
        DataError: a manifest is missing, or two data sets share no image.
    """
    found = {name: find_runs(workspace, choose_dataset(workspace, name), folders or None) for name in datasets}
    if (name := joined_name(datasets)) in {*datasets_with_runs(workspace), *workspace.prepared_datasets()}:
        found_it = f"found a data set {name}, whose results lie there"
        raise UsageError(f"Expected results/{name} for these data sets", found_it, "Name them in another order")
    every = [run for runs in found.values() for run in runs]
    known = {run.method for run in every}
    for name in methods:
        if name not in known:
            raise UsageError("Expected a method with runs", f"found none of {name!r}", nearest(name, known))
    hashes = {run.config_hash for run in every}
    for start in configs:
        if not any(value.startswith(start) for value in hashes):
            expected = "Expected the hash of a config with runs"
            raise UsageError(expected, f"found none of {start!r}", nearest(start, hashes))
    loaded = []
    for name, runs in found.items():
        mine = [method for method in methods if method in {run.method for run in runs}]
        own = [start for start in configs if any(run.config_hash.startswith(start) for run in runs)]
        for wanted, there, what in ((methods, mine, "method"), (configs, own, "config")):
            if wanted and not there:
                found_none = f"found none of {', '.join(wanted)}"
                raise RunError(f"Expected runs of a {what} that was asked for in {name}", found_none, "Leave it out")
        loaded.append(load_runs(workspace, name, methods=mine or None, configs=own or None, folders=folders or None))
    return put_side_by_side(workspace, loaded)


def several(dataset: str | Sequence[str] | None) -> list[str]:
    """Return the names of the data sets that are asked for, each once; empty for the only one."""
    return [dataset] if isinstance(dataset, str) else list(dict.fromkeys(dataset or ()))


def file_name(kind: str, name: str = "", *chosen: Collection | None) -> str:
    """Return the name of result files without their ending; empty where none are to be written.

    Files of all runs are called `<kind>`, those of a part of the runs `<kind>-<name>` where the part has a name.

    Args:
        kind: Such as "summary".
        name: Of the part.
        chosen: What chooses a part of the runs; all of them empty where all runs are read.
    """
    return short(f"{kind}-{name}" if name else "" if any(chosen) else kind)
