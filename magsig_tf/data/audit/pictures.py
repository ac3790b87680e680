"""The pictures of a split: which of them cannot be read, and which are one picture on two sides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from magsig_tf.data.audit.findings import EXAMPLES, Finding
from magsig_tf.data.audit.listing import SplitListing, sides_in_order
from magsig_tf.data.copies.search import find_copies
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.breakhis import parse_name
from magsig_tf.data.sources.breakhis_originals import known_originals
from magsig_tf.data.sources.folder_files import list_folder
from magsig_tf.data.sources.folders import is_image_name
from magsig_tf.data.sources.images import ImageFileReader, SourceImage, UnreadableImage
from magsig_tf.data.sources.listed_files import find_listed_files
from magsig_tf.parallel_work import available_cores, map_in_order

SIZE = 128
"""Pixels to which pictures are brought before they are compared; a copy is looked for at less."""
_PER_TASK = 8
_MEASURED = ("sha256", "pixel_sha256")
Progress = Callable[[int, int], None]


def picture_findings(
    listing: SplitListing, *, search: bool, workers: int | None = None, progress: Progress = lambda done, total: None
) -> list[Finding]:
    """Read the pictures of a split and compare them across its sides.

    Args:
        listing: The split.
        search: Whether a file that is listed by its name alone is looked for in all folders below `listing.folder`.
        workers: Processes that read; all cores if not given.
        progress: Told how many are read, and of how many.

    Returns:
        What was found of pictures that cannot be read, and of pictures on two sides.
    """
    paths = [path for path in listing.rows["path"].unique() if path]
    places = _places(listing.folder, paths, search)
    if not places:
        where = f"none of {len(paths):,} files lies below {listing.folder}" if paths else "the split lists no files"
        remedy = "; --images names their folder" if paths else ""
        return [Finding("copies", "unchecked", f"pictures were not compared: {where}{remedy}")]
    workers = workers or available_cores()
    read = _read(places, workers, progress)
    copies = _copies(listing.rows, read, workers)
    return [*_unread(paths, places, read.unreadable), *_originals(listing.rows, read.measured), *copies]


@dataclass(frozen=True)
class _ReadPictures:
    """Pictures that were read.

    Args:
        measured: `sha256` of the file and `pixel_sha256` of each picture, with its path as index.
        images: The pictures in that order, uint8 [n, SIZE, SIZE, 3].
        unreadable: The files that cannot be read.
    """

    measured: pd.DataFrame
    images: np.ndarray
    unreadable: list[UnreadableImage]


def _places(folder: Path, paths: list[str], search: bool) -> dict[str, Path]:
    """Return where the listed files lie, as far as they are there."""
    listed = find_listed_files(paths, folder, str, "the split", anywhere=True)
    found = {path: file for path, file in zip(paths, listed.files, strict=True) if file.is_file()}
    if search and len(found) < len(paths):
        by_name: dict[str, list[Path]] = {}
        for name in list_folder(folder, is_image_name, lambda name: None).files:
            by_name.setdefault(PurePosixPath(name).name, []).append(folder / name)
        for path in paths:
            same = by_name.get(PurePosixPath(path.replace("\\", "/")).name, [])
            if len(same) == 1:
                found.setdefault(path, same[0])
    return found


def _read(places: dict[str, Path], workers: int, progress: Progress) -> _ReadPictures:
    reader = ImageFileReader(SIZE)
    listed = [SourceImage(path, {}, place) for path, place in places.items()]
    tasks = (listed[start : start + _PER_TASK] for start in range(0, len(listed), _PER_TASK))
    images = np.empty((len(listed), SIZE, SIZE, 3), np.uint8)
    rows: dict[str, list[object]] = {}
    unreadable: list[UnreadableImage] = []
    with contextlib.closing(map_in_order(reader, tasks, workers)) as results:
        for decoded in results:
            for image in decoded:
                if isinstance(image, UnreadableImage):
                    unreadable.append(image)
                else:
                    images[len(rows)] = image.pixels
                    rows[image.path] = [image.measured[name] for name in _MEASURED]
            progress(len(rows) + len(unreadable), len(listed))
    measured = pd.DataFrame.from_dict(rows, orient="index", columns=list(_MEASURED), dtype=object)
    return _ReadPictures(measured, images[: len(rows)], unreadable)


def _unread(paths: list[str], places: dict[str, Path], unreadable: list[UnreadableImage]) -> Iterator[Finding]:
    missing = [printable(path) for path in paths if path not in places]
    if missing:
        sentence = f"{len(missing):,} of {len(paths):,} listed files were not found; they were not compared"
        yield Finding("files", "unchecked", sentence, len(missing), tuple(missing[:EXAMPLES]))
    if unreadable:
        examples = tuple(f"{printable(each.path)} ({each.reason})" for each in unreadable[:EXAMPLES])
        sentence = f"{len(unreadable):,} files cannot be read; they were not compared"
        yield Finding("files", "unchecked", sentence, len(unreadable), examples)


def _originals(rows: pd.DataFrame, measured: pd.DataFrame) -> Iterator[Finding]:
    """Tell of BreaKHis originals under other names, whose accessions the names do not show."""
    name_of = {sha256: f"{name}.png" for name, sha256 in known_originals().items()}
    original = measured["sha256"].map(name_of).dropna()
    renamed = original[[PurePosixPath(str(path)).name != name for path, name in original.items()]]
    if renamed.empty:
        return
    found = {path: image.case for path, name in original.items() if (image := parse_name(name)) is not None}
    told = rows.assign(accession=rows["path"].map(found))
    told = told[told["accession"].notna()]
    sides = told.groupby(["fold", "accession"])["side"].nunique()
    across = sorted({str(accession) for _, accession in sides.index[sides > 1]})
    sentence = f"{len(renamed):,} files hold the bytes of BreaKHis originals under other names"
    examples = tuple(f"{printable(str(path))} is {name}" for path, name in renamed.items())[:EXAMPLES]
    if across:
        sentence += f"; by these, {len(across):,} accessions are on two sides"
        examples = tuple(across[:EXAMPLES])
    yield Finding("accessions", "leak" if across else "warning", sentence, len(across) or len(renamed), examples)


def _copies(rows: pd.DataFrame, read: _ReadPictures, threads: int) -> Iterator[Finding]:
    """Look for pictures on one side that are copies of pictures on another, fold by fold."""
    paths = read.measured.index.to_numpy(object)
    copies = find_copies(read.images, read.measured["pixel_sha256"].tolist(), threads=threads)
    pairs = copies.pairs.assign(one=paths[copies.pairs["first"]], other=paths[copies.pairs["second"]])
    alike = _groups(len(paths), pairs)
    compared = f"{len(paths):,} pictures were compared"
    if copies.plain.any():
        compared += f", but for {int(copies.plain.sum()):,} too even to tell a copy"
    for fold, split in rows.groupby("fold", sort=True):
        side = split[split["path"] != ""].drop_duplicates("path").set_index("path")["side"]
        sides = pd.DataFrame({"side": side.reindex(paths).to_numpy(), "group": alike}).dropna()
        across = sides.groupby("group")["side"].transform("nunique") > 1
        if not across.any():
            yield Finding("copies", "clean", f"{compared}: none has a copy on another side", fold=str(fold))
            continue
        which = pairs.assign(first_side=pairs["one"].map(side), other_side=pairs["other"].map(side)).dropna()
        which = which[which["first_side"] != which["other_side"]]
        examples = [
            f"{printable(one)} ({first}) and {printable(other)} ({second}): {relation}"
            for one, other, first, second, relation in which[["one", "other", "first_side", "other_side", "relation"]]
            .head(EXAMPLES)
            .itertuples(index=False, name=None)
        ]
        by_side = sides[across]["side"].value_counts()
        counts = ", ".join(f"{by_side[name]:,} in {name}" for name in sides_in_order(by_side.index))
        sentence = f"{int(across.sum()):,} of {compared} and have a copy on another side: {counts}"
        yield Finding("copies", "leak", sentence, len(which), tuple(examples), str(fold))


def _groups(count: int, pairs: pd.DataFrame) -> np.ndarray:
    """Return the number of each picture's group: pictures that copies link, directly or through others."""
    links = coo_array((np.ones(len(pairs)), (pairs["first"], pairs["second"])), shape=(count, count))
    return connected_components(links, directed=False)[1]
