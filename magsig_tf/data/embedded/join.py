"""Rows of a manifest and rows of a file of embeddings: which belong together, by their paths or by their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.data.embedded.placing import names_of_rows, paths_of, placed_rows
from magsig_tf.data.embedded.stored import FoundEmbeddings
from magsig_tf.data.identity import plain_name, read_magnification
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN, REQUIRED, checked_rows
from magsig_tf.data.sources.label_words import LabelWords
from magsig_tf.data.tables import Table, understood
from magsig_tf.errors import DataError


@dataclass(frozen=True)
class JoinedRows:
    """The rows of a data set.

    Args:
        table: As `magsig_tf.data.sources.csv_manifest.read_manifest` returns it: sorted by path.
        order: Row of the file of each row of the table, shape (n,).
        notes: What was assumed, as sentences.
    """

    table: pd.DataFrame
    order: np.ndarray
    notes: list[str]


def rows_of_file(found: FoundEmbeddings, labels: LabelWords, columns: Mapping[str, str] | None) -> JoinedRows:
    """Return the rows of a file that says itself what each embedding is of.

    Args:
        found: What the file holds.
        labels: The words for the two classes.
        columns: For columns of `KNOWN` the name that the file has for them.

    Raises:
        DataError: it lacks label, magnification or case, or they are none.
    """
    if found.cells is None:
        raise _needs_manifest(found, "nothing but numbers")
    try:
        own = understood(found.cells, found.name, KNOWN, required=REQUIRED[1:], chosen=columns)
    except DataError as error:
        if not error.expected.startswith("Expected the columns"):
            raise
        raise _needs_manifest(found, ", ".join(map(printable, found.cells.rows[0]))[:200]) from error
    notes = [*own.notes]
    if "path" in own.frame:
        paths = paths_of(own, Path(), found.name, notes)
    else:
        paths = names_of_rows(found)
        notes.append(f"{found.name}: names no paths; rows are named {paths[0]!r} and so on")
    table, more = checked_rows(own, found.name, labels, paths)
    return _sorted(table, np.arange(len(table)), [*notes, *more])


def joined_rows(found: FoundEmbeddings, manifest: Table, source: Path, labels: LabelWords) -> JoinedRows:
    """Return the rows of a manifest with the embedding of each.

    Args:
        found: What the file of embeddings holds.
        manifest: With the columns of `KNOWN` that it has under their names.
        source: The manifest's file.
        labels: The words for the two classes.

    Raises:
        DataError: rows of one have none in the other, the two contradict each other, or the manifest is none.
    """
    placed = placed_rows(found, manifest, source)
    table, more = checked_rows(placed.manifest, source.name, labels, placed.paths)
    if placed.own is not None:
        own = placed.own.frame.iloc[placed.order].reset_index(drop=True)
        more += _compared(own, table, found.name, labels, placed.by_order)
    return _sorted(table, placed.order, [*placed.notes, *more])


def _sorted(table: pd.DataFrame, order: np.ndarray, notes: list[str]) -> JoinedRows:
    by_path = table["path"].argsort(kind="stable").to_numpy()
    return JoinedRows(table.iloc[by_path].reset_index(drop=True), order[by_path], notes)


def _compared(own: pd.DataFrame, table: pd.DataFrame, name: str, labels: LabelWords, by_order: bool) -> list[str]:
    """Hold what the file says against the manifest; rows joined by their order must agree in everything.

    Raises:
        DataError: labels differ, or, of rows joined by their order, cases or magnifications.
    """
    readers: dict[str, Callable[[str], object]] = {
        "label": lambda text: labels.classes.get(labels.word(text) or "", text),
        "case": plain_name,
        "magnification": lambda text: str(read_magnification(text)),
    }
    notes = []
    for column, read in readers.items():
        if column not in own:
            continue
        if column == "label" and any(labels.word(str(text)) is None for text in own["label"].unique()):
            notes.append(f"{name} has labels in other words than the manifest; they were not compared")
            continue
        first, second = ([read(str(text)) for text in frame[column]] for frame in (own, table))
        differs = np.flatnonzero([one != other for one, other in zip(first, second, strict=True)])
        if not len(differs):
            continue
        at = int(differs[0])
        said = f"{len(differs):,} of {len(table):,} rows where {name} says another {column} than the manifest"
        example = f"such as {printable(str(first[at]))[:60]!r} of {table['path'][at]!r}"
        if by_order or column == "label":
            remedy = "Check that the manifest belongs to the embeddings, and that both are in one order"
            raise DataError(f"Expected one {column} for each embedding", f"found {said}, {example}", remedy)
        notes.append(f"{said}, {example}; the manifest's is taken")
    return notes


def _needs_manifest(found: FoundEmbeddings, said: str) -> DataError:
    expected = f"Expected label, magnification and case of each embedding in {found.name}, or a manifest beside it"
    return DataError(
        expected, f"found {said}", "Pass a table with path, label, magnification and case: --manifest FILE"
    )
