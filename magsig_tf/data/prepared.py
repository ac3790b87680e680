"""A prepared data set: its manifest, one row an image sorted by path, and the folder that holds it on disk.

Row i of `manifest.parquet` belongs to image i of `images.npy`; `dataset.json` says the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.data.columns import COLOUR_COLUMNS, COLUMNS, HASHED_COLUMNS, LABELS
from magsig_tf.errors import DataError, in_one_line
from magsig_tf.parquet_files import read_parquet

MOST_MAGNIFICATIONS = 100
"""More are a mistake, such as a column of file names; tables of slides by magnification would fill the memory."""


def magnification_order(values: Iterable[str]) -> list[str]:
    """Return the distinct magnifications in their natural order.

    Args:
        values: Magnification names such as "40X"; repeats are allowed.

    Returns:
        The names ordered by their leading number where every one has it, else in alphabetical order.
    """
    names = sorted({str(value) for value in values})
    numbers = [float(found[0]) for name in names if (found := re.match(r"\d+(\.\d+)?", name, re.ASCII))]
    if len(numbers) == len(names):
        return [name for _, name in sorted(zip(numbers, names, strict=True))]
    return names


def build_manifest(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Build and check a manifest.

    Args:
        rows: One mapping an image: at least `path`, `label`, `magnification`, `case` and the measured columns; what a
            source does not know (`subtype`, `slide`, `sequence`, `origin`) is filled in; other columns are kept.

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
    frame = frame[[*COLUMNS, *(column for column in frame if column not in COLUMNS)]]
    frame = frame.astype({"width": np.int64, "height": np.int64} | dict.fromkeys(COLOUR_COLUMNS, np.float32))
    check_manifest(frame)
    return frame


def check_manifest(frame: pd.DataFrame) -> None:
    """Refuse a manifest that the protocol cannot stand on.

    Args:
        frame: A table with `path`, `label`, `magnification`, `case` and perhaps `cohort`.

    Raises:
        DataError: a path twice, an unknown label, an empty case or magnification, more than `MOST_MAGNIFICATIONS`, a
            case with two labels, or a case that is in the fixed test cohort and outside of it.
    """
    doubled = frame["path"][frame["path"].duplicated()]
    if len(doubled):
        found = f"found {doubled.iloc[0]!r} twice ({len(doubled)} repeats)"
        raise DataError("Expected each path once", found, "Remove the repeats")
    unknown = frame.loc[~frame["label"].isin(LABELS), "label"]
    if len(unknown):
        raise DataError(f"Expected the labels {' and '.join(LABELS)}", f"found {unknown.iloc[0]!r}", "Correct it")
    for column in ("case", "magnification"):
        empty = frame.loc[frame[column] == "", "path"]
        if len(empty):
            found = f"found none for {empty.iloc[0]!r}"
            raise DataError(f"Expected a {column} for every image", found, "Fill in that column")
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
        row order: the same wherever the images lay and however they were packed.
    """
    columns = [column for column in HASHED_COLUMNS if column in manifest]
    digest = hashlib.sha256("\x1f".join(columns).encode())
    for row in zip(*(manifest[column] for column in columns), strict=True):
        digest.update(("\x1e" + "\x1f".join(str(value) for value in row)).encode())
    return digest.hexdigest()


_REMEDY = "Repeat `magsig prepare` with --overwrite"
_KINDS = {"name": str, "size": int, "content_hash": str, "magnifications": list}
_NEEDED_COLUMNS = ("path", "label", "magnification", "case", "slide", "pixel_sha256", "perceptual_hash")


@dataclass(frozen=True)
class PreparedDataset:
    """What `magsig prepare` wrote; nothing but the manifest is in memory.

    Args:
        name: Name of the data set.
        folder: Where it lies.
        manifest: One row per image, index 0..N-1 (see docs/data.md).
        images: uint8 [N, size, size, 3], mapped from disk, read-only.
        size: Height and width of the images in pixels.
        content_hash: 64 hex digits; the same wherever the images came from.
        magnifications: In their natural order.
        info: The whole of dataset.json.
    """

    name: str
    folder: Path
    manifest: pd.DataFrame
    images: np.memmap
    size: int
    content_hash: str
    magnifications: list[str]
    info: dict

    @classmethod
    def open(cls, folder: Path) -> PreparedDataset:
        """Open a prepared data set.

        Args:
            folder: `<workspace>/data/<name>`.

        Raises:
            DataError: it is not there, not finished, or its files do not belong together.
        """
        folder = Path(folder)
        if not (folder / "dataset.json").is_file():
            raise DataError(f"Expected a prepared data set in {folder}", "found none", "Run `magsig prepare` first")
        info = read_json(folder / "dataset.json")
        _check_kinds(info, folder / "dataset.json")
        try:
            manifest = read_parquet(folder / "manifest.parquet")
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            shape = (len(manifest), info["size"], info["size"], 3)
        except (OSError, ValueError, KeyError) as error:
            found = f"found: {in_one_line(error)}"
            raise DataError(f"Expected a whole data set in {folder}", found, _REMEDY) from error
        missing = [column for column in _NEEDED_COLUMNS if column not in manifest]
        if missing:
            expected = f"Expected the columns {', '.join(_NEEDED_COLUMNS)} in {folder / 'manifest.parquet'}"
            raise DataError(expected, f"found no {missing[0]!r}", _REMEDY)
        if images.shape != shape or images.dtype != np.uint8:
            found = f"found {images.dtype} {images.shape}"
            raise DataError(f"Expected uint8 images of shape {shape} in {folder}", found, _REMEDY)
        facts = {key: info[key] for key in _KINDS}
        return cls(folder=folder, manifest=manifest, images=images, info=info, **facts)

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels, int64 [N]: 0 benign, 1 malignant."""
        return (self.manifest["label"] == "malignant").to_numpy(np.int64)

    @cached_property
    def cases(self) -> np.ndarray:
        """Index of each image's case in the sorted case names, int32 [N]."""
        return np.unique(self.manifest["case"].to_numpy(str), return_inverse=True)[1].astype(np.int32)

    @cached_property
    def truth(self) -> pd.DataFrame | None:
        """What is known beyond the manifest (phantom), in the manifest's row order; None where there is nothing."""
        path = self.folder / "truth.parquet"
        return read_parquet(path) if path.exists() else None


def _check_kinds(info: dict, path: Path) -> None:
    """Refuse a dataset.json whose values could not be worked with."""
    wrong = [key for key, kind in _KINDS.items() if not isinstance(info.get(key), kind)]
    if not wrong and not all(isinstance(name, str) for name in info["magnifications"]):
        wrong = ["magnifications"]
    if wrong:
        expected = f"Expected name, size, content_hash and magnifications in {path}"
        raise DataError(expected, f"found {wrong[0]} {repr(info.get(wrong[0]))[:100]}", _REMEDY)
