"""Images in, one prepared data set out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.registry import registry
from magsig_tf.workflows.finished_runs import Progress, silent
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Prepared:
    """A data set that is prepared.

    Args:
        dataset: The data set.
        already: Whether it was there before.
        seconds: What it took.
    """

    dataset: PreparedDataset
    already: bool
    seconds: float


def prepare(
    source: Path | None,
    workspace: Workspace,
    *,
    name: str | None = None,
    size: int | None = None,
    resize: str = "squash",
    workers: int | None = None,
    overwrite: bool = False,
    kind: str | None = None,
    options: dict[str, str] | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Prepare a data set; one that is prepared already is opened.

    With more than one worker, a script that calls this needs the usual `if __name__ == "__main__":`.

    Args:
        source: Archive, folder or CSV manifest; None with a `kind` that needs no file.
        workspace: Where it shall lie.
        name: Name of the data set; the source's own if not given.
        size: Height and width of the prepared images in pixels; 224 (phantom: 64) if not given.
        resize: "squash" (aspect ratio lost) or "crop" (the largest centred square).
        workers: Processes that decode; all cores if not given.
        overwrite: Replace a data set of that name.
        kind: Kind of data set, such as "phantom"; recognised from `source` if not given.
        options: Settings of the phantom, or of a plugin's data set.
        progress: Told a `PrepareProgress` now and then.

    Raises:
        UsageError: nothing recognises the source, or another data set has that name.
        DataError: the source is hostile, damaged, empty, or more than 5 % of its images are unreadable.
        RunError: another process is preparing this data set.
    """
    preparation = Preparation(
        source, workspace, name=name, size=size, resize=resize, overwrite=overwrite, kind=kind, options=options
    )
    began = time.monotonic()
    if (there := preparation.existing()) is not None:
        return Prepared(there, True, time.monotonic() - began)
    with progress(preparation.name) as show:
        made = preparation.run(workers=workers, progress=show)
    return Prepared(made, False, time.monotonic() - began)


def prepare_without_source(
    dataset: str | None, workspace: Workspace, *, progress: Progress = silent
) -> Prepared | None:
    """Prepare a data set that needs no file, such as the phantom, where it is named and missing; else return None.

    Args:
        dataset: The data set of a config, or None.
        workspace: Where it shall lie.
        progress: Told a `PrepareProgress` now and then.
    """
    if dataset in workspace.prepared_datasets() or dataset not in registry("datasets").names():
        return None
    if getattr(registry("datasets").load(dataset), "needs_file", True):
        return None
    return prepare(None, workspace, kind=dataset, progress=progress)
