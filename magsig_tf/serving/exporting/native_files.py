"""The original files of some images, where they are still at hand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.sources.source import choose_source
from magsig_tf.errors import MagsigError

FILES = 16
"""Number of original files that an export is compared on."""
SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class NativeFiles:
    """Original files of prepared images.

    Args:
        files: Path and row of the prepared data set.
        absent: Why there is none, in words; empty where there are some.
    """

    files: tuple[tuple[Path, int], ...]
    absent: str = ""


def find_native_files(prepared: PreparedDataset, rows: np.ndarray) -> NativeFiles:
    """Return the unchanged original PNG and JPEG files of some rows.

    Args:
        prepared: The data set.
        rows: Candidates; up to `FILES` of them, evenly spread, are looked for.
    """
    source = prepared.info.get("source", {}).get("path")
    if source is None:
        return NativeFiles((), "the data set was not made from files")
    source = Path(source)
    if not source.exists():
        return NativeFiles((), f"the source files are gone ({source})")
    if source.is_file() and prepared.info.get("kind") == "breakhis":
        return NativeFiles((), f"the source is an archive ({source}), which is not unpacked for it")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, FILES).astype(int))]
    try:
        by_name = _by_name(source, prepared)
    except (MagsigError, OSError) as error:
        return NativeFiles((), f"the source cannot be read any more ({error})")
    found = [(_file_of(prepared, row, by_name), int(row)) for row in rows]
    files = tuple((path, row) for path, row in found if path is not None)
    return NativeFiles(files, "" if files else "no unchanged PNG or JPEG file of the test images is left")


def _by_name(source: Path, prepared: PreparedDataset) -> dict[str, list[tuple[PurePosixPath, Path]]]:
    """Return what the source lists, by file name: the manifest's paths may be shortened."""
    by_name: dict[str, list[tuple[PurePosixPath, Path]]] = {}
    for image in choose_source(source, prepared.info.get("kind")).images():
        if isinstance(image.content, Path):
            path = PurePosixPath(image.path)
            by_name.setdefault(path.name, []).append((path, image.content))
    return by_name


def _file_of(prepared: PreparedDataset, row: int, by_name: dict) -> Path | None:
    wanted = PurePosixPath(prepared.manifest["path"].iloc[row])
    for path, file in by_name.get(wanted.name, ()):
        same = path.parts[-len(wanted.parts) :] == wanted.parts and file.suffix.lower() in SUFFIXES and file.is_file()
        if same and hashlib.sha256(file.read_bytes()).hexdigest() == prepared.manifest["sha256"].iloc[row]:
            return file
    return None
