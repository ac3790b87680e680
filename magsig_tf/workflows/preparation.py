"""Images in, one prepared data set out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.data.embedded.prepare import KIND, EmbeddingsSource, prepare_embeddings
from magsig_tf.data.embedded.read import is_embedding_source
from magsig_tf.data.naming import SaidOfNames
from magsig_tf.data.preparation.prepare import Preparation, checked_name
from magsig_tf.data.prepared import EmbeddedDataset, PreparedDataset
from magsig_tf.errors import UsageError
from magsig_tf.locks import say
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
        remark: Why there were fewer workers than cores; empty where there were not.
    """

    dataset: PreparedDataset | EmbeddedDataset
    already: bool
    seconds: float
    remark: str = ""


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
    manifest: Path | None = None,
    same_case: Path | None = None,
    names_are_exact: bool = False,
    wait: bool = False,
    copies: str = "near",
    progress: Progress = silent,
) -> Prepared:
    """Prepare a data set; one that is prepared already is opened.

    With more than one worker, a script that calls this needs the usual `if __name__ == "__main__":`.

    Args:
        source: Archive, folder or CSV manifest, or files of embeddings; None with a `kind` that needs no file.
        workspace: Where it shall lie.
        name: Name of the data set; the source's own if not given.
        size: Height and width of the prepared images in pixels; 224 (phantom: 64) if not given.
        resize: "squash" (aspect ratio lost) or "crop" (the largest centred square).
        workers: Processes that decode; all cores that the memory there is allows if not given.
        overwrite: Replace a data set of that name.
        kind: Kind of data set, such as "phantom"; recognised from `source` if not given.
        options: Settings of the phantom, of a table, of files of embeddings or of a plugin's data set.
        manifest: For files of embeddings, the table that says what each row is of.
        wait: Whether to wait where another process is preparing this data set.
        same_case: A CSV that says of names that may be one whether they are (docs/data.md).
        names_are_exact: Whether all other names that may be one are kept apart.
        copies: "near" also links cases by mirrored, turned, cropped and changed copies, "identical" does not.
        progress: Told a `PrepareProgress` now and then.

    Raises:
        UsageError: nothing recognises the source, or another data set has that name.
        DataError: the source is hostile, damaged, empty, more than 5 % of its images are unreadable, or names may be
            one and nothing is said of them.
        HeldError: another process is preparing this data set, and it is not to be waited for.
    """
    if source is not None and (manifest is not None or kind == KIND or (kind is None and is_embedding_source(source))):
        if size is not None or resize != "squash":
            raise UsageError("Expected no --size and no --resize", "found one of them: embeddings have no pixels", "")
        said = SaidOfNames.of(same_case, names_are_exact)
        files = EmbeddingsSource(source, manifest, options or {}, said)
        began = time.monotonic()
        dataset, already = prepare_embeddings(
            files, workspace, checked_name(name or files.name), overwrite=overwrite, wait=say if wait else None
        )
        return Prepared(dataset, already, time.monotonic() - began)
    preparation = Preparation(
        source,
        workspace,
        name=name,
        size=size,
        resize=resize,
        overwrite=overwrite,
        kind=kind,
        options=options,
        same_case=same_case,
        names_are_exact=names_are_exact,
        copies=copies,
    )
    began = time.monotonic()
    if (there := preparation.existing()) is not None:
        return Prepared(there, True, time.monotonic() - began)
    with progress(preparation.name) as show:
        made = preparation.run(workers=workers, progress=show, wait=say if wait else None)
    return Prepared(made, False, time.monotonic() - began, preparation.remark)


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
    return prepare(None, workspace, kind=dataset, wait=True, progress=progress)
