"""Writing a data set from decoded images: manifest, pixels in its order, and `dataset.json` last."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import pandas as pd

from magsig_tf import __version__
from magsig_tf.atomic_files import replacing, write_json
from magsig_tf.data.preparation.report import validation_report
from magsig_tf.data.preparation.spool import Spool
from magsig_tf.data.prepared import build_manifest, content_hash, magnification_order, without_common_folder
from magsig_tf.data.sources.source import DataSource
from magsig_tf.errors import DataError

UNREADABLE_LIMIT = 0.05


def write_dataset(
    folder: Path,
    name: str,
    source: DataSource,
    request: dict[str, object],
    rows: dict[str, dict],
    spool: Spool,
    workers: int = 1,
) -> None:
    """Write the files of a data set.

    Args:
        folder: Where to write; `images.npy` in it is the spool's target.
        name: Name of the data set.
        source: Where the images came from.
        request: `kind`, `fingerprint`, `size` and `resize`.
        rows: What the source knows about each image, by path.
        spool: The decoded images; its pixels are used up.
        workers: Processes to use.

    Raises:
        DataError: no image, more than 5 % unreadable ones, or a manifest that the protocol cannot stand on.
        MagsigError: the disk is full or read-only.
    """
    records = {path: spool.records[path] for path in rows}
    unreadable = [{"path": path, "reason": record["reason"]} for path, record in records.items() if _is_bad(record)]
    _check_unreadable(unreadable, len(records))
    readable = [path for path in rows if not _is_bad(records[path])]
    # over all images, so that an unreadable one does not change what the others are called
    short = without_common_folder(rows) if source.shortens_paths else {path: path for path in rows}
    original = {short[path]: path for path in readable}
    manifest = build_manifest({**rows[path], **records[path]["measured"], "path": short[path]} for path in readable)
    in_order = [original[path] for path in manifest["path"]]
    identity = content_hash(manifest)
    report = validation_report(
        manifest,
        known=source.known_counts(),
        converted=Counter(records[path]["converted"] for path in readable if records[path]["converted"]),
        unreadable=unreadable,
        ignored=source.ignored.as_list(),
    )

    _write_parquet(folder / "manifest.parquet", manifest)
    truth = source.truth(workers)
    if truth is not None:
        _write_parquet(folder / "truth.parquet", truth.loc[in_order].assign(path=list(manifest["path"])))
    spool.write_images([records[path]["slot"] for path in in_order])
    write_json(
        folder / "dataset.json",
        {
            "name": name,
            "kind": source.kind,
            "size": request["size"],
            "resize": request["resize"],
            "images": len(manifest),
            "cases": int(manifest["case"].nunique()),
            "content_hash": identity,
            "magnifications": magnification_order(manifest["magnification"]),
            "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "magsig_version": __version__,
            "source": {
                "path": None if source.source is None else str(source.source),
                "fingerprint": request["fingerprint"],
            },
            "report": report,
        },
    )


def _is_bad(record: dict) -> bool:
    return record["slot"] is None


def _check_unreadable(unreadable: list[dict[str, str]], images: int) -> None:
    if len(unreadable) > UNREADABLE_LIMIT * images:
        first = "; ".join(f"{entry['path']} ({entry['reason']})" for entry in unreadable[:3])
        expected = f"Expected at most {UNREADABLE_LIMIT:.0%} unreadable images"
        remedy = "Replace these files, or remove them if they are not wanted"
        raise DataError(expected, f"found {len(unreadable)} of {images}, among them {first}", remedy)


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)
