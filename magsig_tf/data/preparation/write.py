"""Decoded images become a data set: names settled, copies looked for, manifest, pixels and record written."""

from __future__ import annotations

import datetime
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from magsig_tf import __version__
from magsig_tf.atomic_files import write_json
from magsig_tf.checksums import MARK, sign_tree
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.manifest import build_manifest, content_hash
from magsig_tf.data.naming import Named
from magsig_tf.data.preparation.copies import look_for_copies
from magsig_tf.data.preparation.decode import PrepareProgress, Progress
from magsig_tf.data.preparation.report import validation_report
from magsig_tf.data.preparation.spool import Spool
from magsig_tf.data.sources.source import UNREADABLE_LIMIT, DataSource
from magsig_tf.errors import DataError
from magsig_tf.parquet_files import write_parquet


def write_dataset(
    folder: Path,
    request: Mapping[str, Any],
    source: DataSource,
    rows: dict[str, dict],
    spool: Spool,
    settle: Callable[[pd.DataFrame], Named],
    workers: int,
    progress: Progress,
) -> None:
    """Write the files of the data set; the pixels of the spool are used up.

    Args:
        folder: Where to write; `images.npy` in it is the spool's target.
        request: `name`, `kind`, `size`, `resize`, `names`, `copies` and `fingerprint` of the data set.
        source: Where the images come from.
        rows: What the source knows about each image, by path.
        spool: The decoded images.
        settle: Settles the names of a table of `rows`, or refuses them.
        workers: Processes and threads to use.
        progress: Told how far the search for copies is.

    Raises:
        DataError: no image, more than 5 % unreadable ones, copies under both labels, or a manifest that the
            protocol cannot stand on.
        MagsigError: the disk is full or read-only.
    """
    records = {path: spool.records[path] for path in rows}
    decoded = {path: record for path, record in records.items() if record["slot"] is not None}
    unreadable = [{"path": path, "reason": records[path]["reason"]} for path in rows if path not in decoded]
    if len(unreadable) > UNREADABLE_LIMIT * len(rows):
        first = "; ".join(f"{entry['path']} ({entry['reason']})" for entry in unreadable[:3])
        found = f"found {len(unreadable)} of {len(rows)}, among them {first}"
        remedy = "Replace these files, or leave them out of the source"
        raise DataError(f"Expected at most {UNREADABLE_LIMIT:.0%} unreadable images", found, remedy)
    # over all images, so that an unreadable one does not change what the others are called
    short = without_common_folder(rows) if source.shortens_paths else {path: path for path in rows}
    original = {short[path]: path for path in decoded}
    named = settle(pd.DataFrame.from_records(list(rows.values())))
    names: dict[str, Any] = dict(zip(rows, named.table.to_dict("records"), strict=True))
    manifest = build_manifest(
        {**rows[path], **names[path], **decoded[path]["measured"], "path": short[path]} for path in decoded
    )
    in_order = [original[path] for path in manifest["path"]]
    converted = Counter(record["converted"] for record in decoded.values() if record["converted"])
    spool.write_images([decoded[path]["slot"] for path in in_order])
    counts = PrepareProgress(len(rows), len(rows), len(unreadable), 1.0)
    is_folder = source.source is not None and source.source.is_dir()
    manifest, copies = look_for_copies(
        folder,
        manifest,
        near=request["copies"] == "near",
        original_paths=in_order if is_folder else None,
        threads=workers,
        progress=lambda share: progress(replace(counts, looking_for_copies=share)),
    )
    report = validation_report(
        manifest, source.known_counts(), converted, unreadable, source.ignored.as_list(), named.remarks
    )
    report["notes"] = list(source.notes)
    report["copies"] = copies
    write_parquet(folder / "manifest.parquet", manifest)
    truth = source.truth(workers)
    if truth is not None:
        write_parquet(folder / "truth.parquet", truth.loc[in_order].assign(path=list(manifest["path"])))
    path = None if source.source is None else str(source.source)
    write_json(
        folder / "dataset.json",
        {
            **{key: request[key] for key in ("name", "kind", "size", "resize")},
            "images": report["images"],
            "cases": report["cases"],
            "content_hash": content_hash(manifest),
            "magnifications": magnification_order(manifest["magnification"]),
            "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "magsig_version": __version__,
            **{key: request[key] for key in ("names", "copies")},
            "source": {"path": path, "fingerprint": request["fingerprint"]},
            "report": report,
            **MARK,
        },
    )
    sign_tree(folder, folder)


def without_common_folder(paths: Iterable[str]) -> dict[str, str]:
    """Return every path relative to the deepest folder that all of them share.

    An archive and an unpacked folder, given from whichever level, then name their images alike.

    Args:
        paths: Relative posix paths.

    Returns:
        A mapping from each path to its shortened form; the order of the paths stays the same.
    """
    paths = list(paths)
    if not paths:
        return {}
    folder = PurePosixPath(posixpath.commonpath([posixpath.dirname(path) for path in paths]))
    return {path: "/".join(PurePosixPath(path).parts[len(folder.parts) :]) for path in paths}
