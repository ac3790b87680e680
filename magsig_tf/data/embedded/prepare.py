"""Files of embeddings become a data set: read and joined, names settled, written as `magsig embed` writes one."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import put_back, replace_folder, writing
from magsig_tf.data.columns import TEXT_COLUMNS
from magsig_tf.data.embedded.columns import ARRAY_NAMES
from magsig_tf.data.embedded.read import EmbeddingFiles, read_embedding_files
from magsig_tf.data.embedded.write import existing_embeddings, write_array, write_dataset
from magsig_tf.data.manifest import build_manifest
from magsig_tf.data.naming import SaidOfNames, settle_names
from magsig_tf.data.preparation.report import validation_report
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.sources.label_words import LabelWords, parse_pairs
from magsig_tf.data.sources.source import dataset_name
from magsig_tf.errors import UsageError
from magsig_tf.locks import holding
from magsig_tf.workspace import Workspace

KIND = "embeddings"
OPTIONS = ("arrays", "columns", "labels", "sheet")


@dataclass(frozen=True)
class EmbeddingsSource:
    """Files of embeddings, and what is said of them.

    Args:
        source: A file, or a folder with one HDF5 file a slide.
        manifest: A table that says what each row is of; None where the source does.
        options: `arrays` and `columns` (OURS=THEIRS pairs), `labels` (CLASS=WORD|WORD pairs) and `sheet`, as text.
        said: What is said of names that may be one.
    """

    source: Path
    manifest: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    said: SaidOfNames = field(default_factory=SaidOfNames)

    @property
    def name(self) -> str:
        """The stem of the source's name, as a data set can be called."""
        return dataset_name(self.source.stem) or KIND

    def read(self, spool: Path) -> EmbeddingFiles:
        """Read and join the files; arguments that were not given are those of `read_embedding_files`.

        Raises:
            UsageError: an option does not exist, or names what is not there.
            DataError: something cannot be read or understood.
        """
        unknown = sorted(set(self.options) - set(OPTIONS))
        if unknown:
            raise UsageError(f"Expected options of embeddings ({', '.join(OPTIONS)})", f"found {unknown[0]!r}", "")
        return read_embedding_files(
            self.source,
            self.manifest,
            arrays=self._pairs("arrays", ARRAY_NAMES),
            columns=self._pairs("columns", tuple(KNOWN)),
            labels=LabelWords(self.options.get("labels")),
            sheet=self.options.get("sheet"),
            spool=spool,
        )

    def _pairs(self, option: str, names: tuple[str, ...]) -> dict[str, str]:
        given = self.options.get(option)
        return parse_pairs(given, names, f"--{option}") if given else {}

    def request(self) -> dict[str, Any]:
        """Return what the data set depends on, as JSON: the files by name, size and time, and what was said."""
        digest = hashlib.sha256()
        folder = self.source.is_dir()
        files = sorted(self.source.rglob("*")) if folder else [self.source]
        for file in [*files, *([self.manifest] if self.manifest else [])]:
            if file.is_file():
                status = os.stat(file)
                digest.update(f"{file.name}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode())
        return {"kind": KIND, "files": digest.hexdigest(), "options": dict(self.options), "names": self.said.request()}


def prepare_embeddings(
    source: EmbeddingsSource,
    workspace: Workspace,
    name: str,
    *,
    overwrite: bool = False,
    wait: Callable[[str], None] | None = None,
) -> tuple[EmbeddedDataset, bool]:
    """Write a data set of embeddings and open it; one that is there already is opened.

    Args:
        source: The files.
        workspace: Where it shall lie.
        name: Of the data set.
        overwrite: Whether to replace a data set of that name.
        wait: Told whom this call waits for, where another process writes it; None refuses.

    Returns:
        The data set, and whether it was there before.

    Raises:
        UsageError: another data set has that name, or an option does not fit.
        DataError: the files cannot be read or do not belong together, or names may be one and nothing is said of them.
        HeldError: another process writes this data set.
    """
    if not source.source.exists():
        raise UsageError("Expected a file or folder of embeddings", f"found no {source.source}", "Check --source")
    folder, unfinished = workspace.data(name), workspace.data(".preparing") / name
    aside, request = unfinished / "replaced", source.request()
    with holding(unfinished.with_name(f"{name}.lock"), f"data set {name!r}", wait):
        put_back(folder, aside)
        if folder.exists() and not overwrite:
            return existing_embeddings(folder, "request", request), True
        shutil.rmtree(unfinished, ignore_errors=True)
        output = unfinished / "output"
        with writing(output):
            output.mkdir(parents=True)
        try:
            _write(source, request, workspace, name, output, unfinished)
            replace_folder(folder, output, aside)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return EmbeddedDataset.open(folder), False


def _write(
    source: EmbeddingsSource, request: dict[str, Any], workspace: Workspace, name: str, output: Path, spool: Path
) -> None:
    read = source.read(spool)
    named = settle_names(read.table, source.said, workspace.root / f"{name}-names.csv")
    table = read.table.assign(**{str(column): named.table[column] for column in named.table})
    manifest = build_manifest(table.to_dict("records"), (*TEXT_COLUMNS, "origin"))
    # the array is in the order of the table, and the manifest sorts by path
    order = pd.Series(np.arange(len(table)), index=table["path"]).reindex(manifest["path"]).to_numpy()
    assert (order == np.arange(len(table))).all(), "the table is sorted by path, as the manifest is"
    blocks = (values for _, values in read.blocks())
    dtype = str(np.dtype(read.dtype))
    write_array(output / "embeddings.npy", blocks, len(table), read.views, read.length, dtype)
    report = validation_report(manifest, names=named.remarks)
    report["notes"] = [*read.notes, *(f"{count:,} {what}" for what, count in read.findings.items() if count)]
    provenance = {"files": [file.name for file in read.files][:100], "attributes": read.attributes}
    info = {"name": name, "kind": KIND, "request": request, "provenance": provenance, "report": report}
    write_dataset(output, manifest, info)
