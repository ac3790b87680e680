"""Embeddings become a data set: their array, its hashes, the manifest and the record are written."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf import __version__
from magsig_tf.atomic_files import replacing, write_json
from magsig_tf.checksums import MARK, sign_tree
from magsig_tf.data.columns import COPY_COLUMNS
from magsig_tf.data.copies.linked_cases import summary_of_copies, table_of_copies, with_copies
from magsig_tf.data.copies.search import identical_copies
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.manifest import content_hash
from magsig_tf.data.plain_text import write_csv
from magsig_tf.data.prepared import EMBEDDINGS, EmbeddedDataset
from magsig_tf.errors import DataError, UsageError
from magsig_tf.parquet_files import write_parquet

DTYPES = ("float32", "float16")
_BLOCK = 256


def existing_embeddings(folder: Path, key: str, wanted: Mapping[str, Any]) -> EmbeddedDataset:
    """Open a data set that is there already.

    Args:
        folder: Where it lies.
        key: Of dataset.json, under which it says what it was made of.
        wanted: What it is to be made of.

    Raises:
        UsageError: it was made of something else, or holds images.
    """
    dataset = EmbeddedDataset.open(folder)
    found = dataset.info.get(key, {})
    if found != wanted:
        what = ", ".join(sorted(each for each in {*found, *wanted} if found.get(each) != wanted.get(each)))
        expected = f"Expected the data set {folder.name!r} to be made of this in this way"
        remedy = "Pass another --name, or --overwrite to replace it"
        raise UsageError(expected, f"found one that differs in {what}", remedy)
    return dataset


def new_array(path: Path, rows: int, views: int, length: int, dtype: str) -> np.memmap:
    """Return the array of a data set of embeddings, [rows, views, length], to be filled on disk."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=(rows, views, length))


def write_array(path: Path, blocks: Iterable[np.ndarray], rows: int, views: int, length: int, dtype: str) -> None:
    """Write blocks of embeddings one after another.

    Args:
        path: The `embeddings.npy`.
        blocks: [n, views, length] each, `rows` in all.
        rows: N.
        views: Of each image.
        length: p.
        dtype: One of `DTYPES`.

    Raises:
        DataError: there are more or fewer rows, or a number is not finite in that type.
    """
    array, place = new_array(path, rows, views, length, dtype), 0
    for block in blocks:
        with np.errstate(over="ignore"):
            stored = block.astype(dtype)
        if not np.isfinite(stored).all():
            row = place + int(np.flatnonzero(~np.isfinite(stored).all((1, 2)))[0])
            remedy = "Keep them as float32" if np.isfinite(block).all() else "Leave such rows out"
            raise DataError(f"Expected embeddings that are finite as {dtype}", f"found others in row {row}", remedy)
        if place + len(stored) > rows:
            break
        array[place : place + len(stored)] = stored
        place += len(stored)
    array.flush()
    if place != rows:
        raise DataError(f"Expected {rows} embeddings", f"found {place}", "Check that none is missing")


def write_dataset(folder: Path, manifest: pd.DataFrame, info: Mapping[str, Any]) -> None:
    """Write what belongs to an `embeddings.npy` that is in the folder already, and `dataset.json` last.

    Args:
        folder: Of the data set, not yet in its place.
        manifest: One row an embedding, sorted by path, with the columns `path`, `label`, `magnification`, `case`,
            `slide` and perhaps `pixel_sha256`, `split_case` and `copy_group` of the images.
        info: What dataset.json says beside sizes and hashes: `name`, `provenance`, `report`, ...

    Raises:
        DataError: identical embeddings contradict each other.
    """
    array = np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False)
    hashes, plain = _hashes(array)
    manifest = manifest.assign(embedding_sha256=hashes)
    if "pixel_sha256" not in manifest:
        manifest["pixel_sha256"] = hashes
    report = dict(info.get("report", {}))
    if not set(COPY_COLUMNS) & set(manifest):  # where the images were searched, that search holds
        copies = identical_copies(manifest["pixel_sha256"].tolist(), plain)
        manifest = with_copies(manifest, copies)
        with replacing(folder / "copies.csv") as temporary:
            write_csv(table_of_copies(manifest, copies), temporary)
        report["copies"] = summary_of_copies(manifest, copies, None)
    write_parquet(folder / "manifest.parquet", manifest)
    sizes = {"length": array.shape[2], "views": array.shape[1], "dtype": str(array.dtype)}
    record = {
        **info,
        "data": EMBEDDINGS,
        **sizes,
        "images": len(manifest),
        "cases": int(manifest["case"].nunique()),
        "content_hash": content_hash(manifest),
        "magnifications": magnification_order(manifest["magnification"]),
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "magsig_version": __version__,
        "report": report,
        **MARK,
    }
    write_json(folder / "dataset.json", record)
    sign_tree(folder, folder)


def _hashes(array: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the SHA-256 of each row's views, and which rows are of one value throughout, bool [n]."""
    hashes: list[str] = []
    plain = np.empty(len(array), bool)
    for start in range(0, len(array), _BLOCK):
        block = np.ascontiguousarray(array[start : start + _BLOCK])
        little = block.astype(block.dtype.newbyteorder("<"), copy=False)
        hashes += [hashlib.sha256(row.tobytes()).hexdigest() for row in little]
        first = block[:, 0]
        plain[start : start + len(block)] = (first == first[:, :1]).all(1)
    return hashes, plain
