"""The manifest of a data set: one row an image sorted by path, built, checked and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.data.columns import COLOUR_COLUMNS, COLUMNS, COPY_COLUMNS, HASHED_COLUMNS, LABELS
from magsig_tf.data.plain_text import check_names
from magsig_tf.errors import DataError

NAME_COLUMNS = ("magnification", "case", "slide", "subtype", "sequence", "cohort", "site")
"""Columns whose texts tables, figures and file names repeat."""
MOST_MAGNIFICATIONS = 100
"""More are a mistake, such as a column of file names; tables of slides by magnification would fill the memory."""


def build_manifest(rows: Iterable[Mapping[Any, object]], columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Build and check a manifest.

    Args:
        rows: One mapping an image: at least `path`, `label`, `magnification`, `case` and the measured columns; what a
            source does not know (`subtype`, `slide`, `sequence`, `origin`) is filled in; other columns are kept.
        columns: The standard columns of this data set; those of images unless it has none.

    Returns:
        The manifest, sorted by path, with the standard columns first.

    Raises:
        DataError: as `check_manifest`.
    """
    frame = pd.DataFrame.from_records(list(rows))
    if frame.empty:
        raise DataError("Expected at least one readable image", "found none", "Check --source")
    frame = frame.sort_values("path", kind="stable", ignore_index=True)
    for column, default in (("subtype", ""), ("sequence", ""), ("origin", "file"), ("slide", "")):
        if column not in frame:
            frame[column] = default
    # a data set without slides has one a case
    frame["slide"] = frame["slide"].where(frame["slide"] != "", frame["case"])
    frame = frame[[*columns, *(column for column in frame if column not in columns)]]
    measured = {"width": np.int64, "height": np.int64} | dict.fromkeys(COLOUR_COLUMNS, np.float32)
    frame = frame.astype({column: kind for column, kind in measured.items() if column in columns})
    check_manifest(frame)
    return frame


def check_manifest(frame: pd.DataFrame) -> None:
    """Refuse a manifest that the protocol cannot stand on.

    Args:
        frame: A table with `path`, `label`, `magnification`, `case` and perhaps `cohort`.

    Raises:
        DataError: a path twice, an unknown label, an empty case or magnification, more than `MOST_MAGNIFICATIONS`, a
            name that is more than a name (`check_names`), a case with two labels, or a case that is in the fixed test
            cohort and outside of it.
    """
    doubled = frame["path"][frame["path"].duplicated()]
    if len(doubled):
        found = f"found {doubled.iloc[0]!r} twice ({len(doubled)} repeats)"
        raise DataError("Expected each path once", found, "List each once")
    unknown = frame.loc[~frame["label"].isin(LABELS), "label"]
    if len(unknown):
        raise DataError(f"Expected the labels {' and '.join(LABELS)}", f"found {unknown.iloc[0]!r}", "Correct it")
    for column in ("case", "magnification"):
        empty = frame.loc[frame[column] == "", "path"]
        if len(empty):
            found = f"found none for {empty.iloc[0]!r}"
            raise DataError(f"Expected a {column} for every image", found, "Fill in that column")
    for column in NAME_COLUMNS:
        if column in frame:
            check_names(frame[column].unique(), column)
    names = frame["magnification"].unique()
    if len(names) > MOST_MAGNIFICATIONS:
        expected = f"Expected at most {MOST_MAGNIFICATIONS} magnifications"
        remedy = "Check that the column magnification holds the magnification"
        raise DataError(expected, f"found {len(names)}, among them {', '.join(map(repr, names[:3]))}", remedy)
    _check_constant_in_case(frame["case"], frame["label"], "label", "every image of a patient has the patient's label")
    if "cohort" in frame:
        fixed = (frame["cohort"] == "test").map({True: "test", False: "development"})
        _check_constant_in_case(frame["case"], fixed, "cohort", "a patient on both sides would leak")


def _check_constant_in_case(case: pd.Series, value: pd.Series, name: str, why: str) -> None:
    values = value.groupby(case).agg(["nunique", "min", "max"])
    mixed = values[values["nunique"] > 1]
    if len(mixed):
        expected, remedy = f"Expected one {name} per case ({why})", f"Correct its {name} or its case name"
        found = f"found case {mixed.index[0]!r} with {mixed['min'].iloc[0]!r} and {mixed['max'].iloc[0]!r}"
        raise DataError(expected, found, remedy)


def content_hash(manifest: pd.DataFrame) -> str:
    """Return the identity of a data set's content.

    Args:
        manifest: A manifest with `pixel_sha256`.

    Returns:
        SHA-256 (64 hex digits) over path, label, magnification, case, slide, cohort (where given) and pixel hash in
        row order, and over the case for the split and the group of copies where copies link cases or slides: the same
        wherever the images lay and however they were packed.
    """
    columns = [column for column in HASHED_COLUMNS if column in manifest]
    columns += [column for column in COPY_COLUMNS if column in manifest] if _copies_decide(manifest) else []
    digest = hashlib.sha256("\x1f".join(columns).encode())
    for row in zip(*(manifest[column] for column in columns), strict=True):
        digest.update(("\x1e" + "\x1f".join(str(value) for value in row)).encode())
    return digest.hexdigest()


def _copies_decide(manifest: pd.DataFrame) -> bool:
    """Return whether copies change how a data set is split: one without any keeps the hash of earlier versions."""
    if "split_case" in manifest and (manifest["split_case"] != manifest["case"]).any():
        return True
    return "copy_group" in manifest and bool((manifest.groupby("copy_group")["slide"].nunique() > 1).any())
