"""Where the embedding of each row of a manifest is in a file: by their paths, or by their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.data.embedded.stored import FoundEmbeddings
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.sources.listed_files import find_listed_files
from magsig_tf.data.table_text import Cells
from magsig_tf.data.tables import Table, understood
from magsig_tf.errors import DataError

_SHOWN = 3


@dataclass(frozen=True)
class PlacedRows:
    """Rows of a manifest and where their embeddings are.

    Args:
        manifest: One row an embedding.
        paths: Of each.
        order: Row of the file of each, shape (n,).
        own: What the file itself says of its rows, in its own order; None for nothing.
        by_order: Whether the two were joined by their order.
        notes: What was assumed, as sentences.
    """

    manifest: Table
    paths: list[str]
    order: np.ndarray
    own: Table | None
    by_order: bool
    notes: list[str]


def own_rows(found: FoundEmbeddings, columns: Mapping[str, str] | None = None) -> PlacedRows:
    """Return the rows of a file as it names them itself, by numbers where it names none.

    Args:
        found: What the file holds.
        columns: For columns of `KNOWN` the name that the file has for them.

    Raises:
        DataError: a column is not there, or a path is none.
    """
    count = found.array.shape[0]
    own = None if found.cells is None else understood(_copy(found.cells), found.name, KNOWN, chosen=columns)
    notes = [] if own is None else [*own.notes]
    named = own is not None and "path" in own.frame
    paths = paths_of(own, Path(), found.name, notes) if own is not None and named else names_of_rows(found)
    manifest = own or Table(pd.DataFrame(index=range(count)), (), tuple(range(count)), "row")
    return PlacedRows(manifest, list(paths), np.arange(count), own, not named, notes)


def placed_rows(found: FoundEmbeddings, manifest: Table, source: Path) -> PlacedRows:
    """Return the rows of a manifest, in its order, with the place of each embedding; labels are not looked at.

    Args:
        found: As for `joined_rows`.
        manifest: As for `joined_rows`.
        source: As for `joined_rows`.

    Raises:
        DataError: rows of one have none in the other.
    """
    own = None if found.cells is None else understood(_copy(found.cells), found.name, KNOWN)
    notes = list(manifest.notes)
    names = None if own is None or "path" not in own.frame else paths_of(own, Path(), found.name, notes)
    paths = paths_of(manifest, source.parent, source.name, notes) if "path" in manifest.frame else None
    if paths is not None:
        _refuse_doubled(paths, source.name)
    slide_rows = None if paths is None else _by_slide(found, paths, names, source)
    if names is not None and paths is not None and slide_rows is None:
        _refuse_doubled(names, found.name)
        how, order = _by_path(paths, names, found, source)
        notes += [f"{source.name} and {found.name} are joined by {how}"] if how else []
    elif slide_rows is not None and paths is not None:
        how, rows = slide_rows
        places = names or names_of_rows(found)
        manifest, order = _expanded(manifest, rows, paths)
        paths = [places[row] for row in order]
        notes.append(f"{source.name} has a row for each slide; they are joined by {how or 'their names'}")
    elif names is None:
        order = _by_order(found, own, len(manifest.frame), source)
        notes.append(f"{found.name} names no paths: its rows are those of {source.name} in their order")
        places = names_of_rows(found)
        paths = paths or [places[row] for row in order]
    else:
        columns = ", ".join(map(str, manifest.frame))
        expected = f"Expected a column path in {source.name}, since {found.name} names its rows"
        raise DataError(expected, f"found {columns[:200]}", "Add it, or name yours with --columns path=THEIRS")
    return PlacedRows(manifest, list(paths), order, own, names is None, notes)


def names_of_rows(found: FoundEmbeddings) -> list[str]:
    """Return names for rows that have none: the file's and the number of the row, from 0."""
    stem = re.sub(r"[^\w.-]+", "-", found.stem)
    if found.cells is not None and "row" in found.cells.rows[0]:
        column = found.cells.rows[0].index("row")
        return [f"{stem}#{cells[column]}" for cells in found.cells.rows[1:]]
    return [f"{stem}#{row}" for row in range(found.array.shape[0])]


def paths_of(table: Table, folder: Path, name: str, notes: list[str]) -> list[str]:
    """Return the paths of a table with / between folders; no file of these names has to be there."""
    given = [str(path) for path in table.frame["path"]]
    listed = find_listed_files(given, folder, table.where, name, anywhere=True)
    for row, path in enumerate(listed.paths):
        if not path or not path.isprintable():
            found = (
                f"found {printable(path)[:100]!r} in {table.where(row)}"
                if path
                else f"found none in {table.where(row)}"
            )
            raise DataError(f"Expected a path for every row of {name}", found, "Correct it")
    notes += listed.notes
    return listed.paths


def _refuse_doubled(paths: Sequence[str], name: str) -> None:
    repeats = pd.Series(paths, dtype=object).duplicated()
    if repeats.any():
        found = f"found {paths[int(repeats.argmax())][:200]!r} twice ({int(repeats.sum()):,} repeats)"
        raise DataError(f"Expected each path once in {name}", found, "Name each row once")


def _by_path(
    paths: Sequence[str], names: Sequence[str], found: FoundEmbeddings, source: Path
) -> tuple[str, np.ndarray]:
    matched = _matched(paths, names)
    if matched is not None:
        return matched
    # said of the way that finds most
    shown = max(_ways(paths, names), key=lambda way: len({*map(way[1], paths)} & {*map(way[1], names)}))
    there, wanted = {*map(shown[1], names)}, {*map(shown[1], paths)}
    more = [name for name in names if shown[1](name) not in wanted]
    fewer = [path for path in paths if shown[1](path) not in there]
    if not more and not fewer:
        found_pairs = f"found several rows of one {shown[0].removeprefix('the ')}"
        raise DataError(f"Expected one row of {found.name} for each of {source.name}", found_pairs, "Write whole paths")
    parts = []
    if fewer:
        parts.append(f"{len(fewer):,} of {len(paths):,} rows of {source.name} without an embedding, {_few(fewer)}")
    if more:
        parts.append(f"{len(more):,} of {len(names):,} embeddings that it does not list, {_few(more)}")
    expected = f"Expected one row of {source.name} for each embedding of {found.name}"
    remedy = "Write the paths of the embeddings into the manifest, and leave out rows that only one of the two has"
    raise DataError(expected, f"found {' and '.join(parts)}", remedy)


def _matched(paths: Sequence[str], names: Sequence[str]) -> tuple[str, np.ndarray] | None:
    """Return by what all paths find a name of their own, and which; empty where they are the same."""
    if len(paths) != len(names):
        return None
    for how, key in _ways(paths, names):
        place = {key(name): row for row, name in enumerate(names)}
        keys = [key(path) for path in paths]
        if len(place) == len(names) and len({*keys}) == len(keys) and place.keys() == {*keys}:
            return how, np.array([place[each] for each in keys], np.int64)
    return None


def _ways(paths: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Yield what paths may be compared by, the strictest first."""
    yield "", lambda path: path
    deepest = min(max(text.count("/") for text in texts) for texts in (paths, names)) + 1 if paths and names else 1
    for bare in (False, True):
        for parts in range(min(deepest, 20), 0, -1):
            what = "the name of the file" if parts == 1 else f"the last {parts} parts of the path"
            yield what + bare * " without its ending", partial(_tail, parts=parts, bare=bare)


def _tail(path: str, parts: int, bare: bool) -> str:
    tail = "/".join(path.rstrip("/").split("/")[-parts:])
    return re.sub(r"\.[A-Za-z][A-Za-z0-9]{0,5}$", "", tail) if bare else tail


def _by_slide(
    found: FoundEmbeddings, paths: Sequence[str], names: Sequence[str] | None, source: Path
) -> tuple[str, list[np.ndarray]] | None:
    """Return the rows of each path where the manifest has a row for each slide, else None."""
    stems = [stem for stem, _ in found.slides]
    if not stems or (names is not None and _matched(paths, names) is not None):
        return None
    if names is None and len(paths) == found.array.shape[0]:
        return None
    ends = np.cumsum([count for _, count in found.slides])
    matched = _matched(paths, stems)
    if matched is None:
        known = {_tail(stem, 1, True) for stem in stems}
        if not any(_tail(path, 1, True) in known for path in paths):
            return None
        how, order = _by_path(paths, stems, found, source)
    else:
        how, order = matched
    return how, [np.arange(ends[at] - found.slides[at][1], ends[at]) for at in order]


def _expanded(manifest: Table, rows: Sequence[np.ndarray], slides: Sequence[str]) -> tuple[Table, np.ndarray]:
    """Return a manifest of slides with a row for each of their embeddings."""
    counts = [len(each) for each in rows]
    repeated = np.repeat(np.arange(len(rows)), counts)
    frame = manifest.frame.iloc[repeated].reset_index(drop=True)
    if "slide" not in frame:
        frame["slide"] = [_tail(slides[row], 1, True) for row in repeated.tolist()]
    lines = tuple(manifest.lines[row] for row in repeated)
    return Table(frame, manifest.notes, lines, manifest.place), np.concatenate(rows)


def _by_order(found: FoundEmbeddings, own: Table | None, count: int, source: Path) -> np.ndarray:
    rows = found.array.shape[0]
    if count != rows:
        expected = f"Expected a row of {source.name} for each of the {rows:,} embeddings of {found.name}"
        remedy = "Pass the manifest that they were calculated from, or write their paths beside the embeddings"
        raise DataError(expected, f"found {count:,} rows", remedy)
    if own is None or "row" not in own.frame:
        return np.arange(rows)
    numbers = own.frame["row"].tolist()
    place = {number: at for at, number in enumerate(numbers)}
    if place.keys() != {str(row) for row in range(rows)}:
        expected = f"Expected the rows 0 to {rows - 1:,} of {source.name}, each once, in {found.name}"
        raise DataError(expected, f"found {_few(numbers)}", "Pass the manifest that they were calculated from")
    return np.array([place[str(row)] for row in range(rows)], np.int64)


def _few(texts: Sequence[str]) -> str:
    return "such as " + ", ".join(repr(printable(text)[:100]) for text in texts[:_SHOWN])


def _copy(cells: Cells) -> Cells:
    return Cells([list(row) for row in cells.rows], list(cells.lines), cells.place)
