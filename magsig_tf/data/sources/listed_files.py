"""The files that the paths of a table name: read where it is certain which file is meant, and why there is none."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.images import IMAGE_SUFFIXES
from magsig_tf.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_MOST_FILES = 200_000
_LOOKED_AT = 200
_PLACE_CSV = "Place the CSV in a folder above all images and write paths relative to it"


@dataclass(frozen=True)
class ListedFiles:
    """Paths of a table, and where their files lie.

    Args:
        paths: Relative posix paths, as the manifest names the images.
        files: The file of each, which may differ in its Unicode normal form.
        notes: What was assumed, as sentences.
    """

    paths: list[str]
    files: list[Path]
    notes: list[str]


def find_listed_files(
    given: Sequence[str], folder: Path, where: Callable[[int], str], table: str, anywhere: bool = False
) -> ListedFiles:
    """Find the files that a table names.

    Args:
        given: The paths as they are written: relative to the folder, or absolute and below it.
        folder: The folder of the table.
        where: Says where a row (from 0) stands.
        table: Name of the table, for messages.
        anywhere: Whether the files may lie outside of the folder; nothing is refused then.

    Raises:
        DataError: a path that leaves the folder, has a drive of Windows or an address of the network, or holds what
            cannot be printed.
    """
    counts: dict[str, int] = defaultdict(int)
    paths, files = [], []
    forms = _NormalForms(folder)
    for row, text in enumerate(given):
        text = _plain_path(text.strip(), folder, counts)
        path = text if anywhere else _relative(text, folder, partial(where, row), counts)
        file = folder / path
        if not path.isascii() and not os.path.lexists(file) and (other := forms.of(path)) is not None:
            counts["found under the same name in another Unicode normal form"] += 1
            file = folder / other
        paths.append(path)
        files.append(file)
    notes = [f"{table}: {count:,} of {len(paths):,} paths {what}" for what, count in counts.items()]
    return ListedFiles(paths, files, notes)


def _plain_path(text: str, folder: Path, counts: dict[str, int]) -> str:
    """Return a path with its folders separated by /, where it is certain that something else separated them."""
    if text[:7].lower() == "file://":
        address = urlsplit(text)
        if address.netloc in ("", "localhost"):
            text = unquote(address.path)
            counts["read as the file that their address (file://) names"] += 1
    if "\\" in text and not text.startswith("\\\\") and not _DRIVE.match(text) and not os.path.lexists(folder / text):
        text = text.replace("\\", "/")
        counts["with \\ read as /"] += 1
    return text


def _relative(text: str, folder: Path, where: Callable[[], str], counts: dict[str, int]) -> str:
    def refuse(remedy: str = _PLACE_CSV) -> DataError:
        parts = re.split(r"[\\/]+", text)
        for cut in range(1, len(parts) if text.isprintable() and "://" not in text and ".." not in parts else 0):
            rest = "/".join(parts[cut:])
            if rest and os.path.isfile(folder / rest):
                front = text[: len(text) - len(rest)]
                remedy = f"{rest!r} is there: write the paths without {front} in front"
                break
        return DataError("Expected paths below the CSV's folder", f"found {printable(text)!r} in {where()}", remedy)

    if not text.isprintable():
        raise refuse()
    if "://" in text:
        raise refuse("Nothing is fetched from a network: place the images below the CSV's folder")
    if _DRIVE.match(text.lstrip("/")) or text.startswith("\\\\"):
        raise refuse("That is a path of another machine (Windows): write paths relative to the CSV's folder")
    path = PurePosixPath(text)
    if path.is_absolute():
        below = _below(text, folder)
        if below is None:
            raise refuse()
        path = PurePosixPath(below)
        counts["absolute, and below the CSV's folder"] += 1
    if path == PurePosixPath() or ".." in path.parts:
        raise refuse()
    return str(path)


def _below(text: str, folder: Path) -> str | None:
    """Return an absolute path relative to a folder that it lies in, by name or through links of the folder."""
    if ".." in PurePosixPath(text).parts:
        return None
    for top in (os.path.abspath(folder), os.path.realpath(folder)):
        if text.startswith(top.rstrip("/") + "/"):
            return text[len(top.rstrip("/")) :].lstrip("/")
    parent = os.path.realpath(os.path.dirname(text))
    top = os.path.realpath(folder)
    if parent == top or parent.startswith(top.rstrip("/") + "/"):
        return os.path.relpath(os.path.join(parent, os.path.basename(text)), top)
    return None


class _NormalForms:
    """Finds names that equal another up to their Unicode normal form; each folder is listed once."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.listed: dict[str, dict[str, list[str]]] = {}

    def of(self, path: str) -> str | None:
        """Return the one path on disk that is the same in another normal form, None where there is none or several."""
        found = ""
        for part in PurePosixPath(path).parts:
            if found not in self.listed:
                names: dict[str, list[str]] = defaultdict(list)
                try:
                    for name in os.listdir(self.folder / found):
                        names[unicodedata.normalize("NFC", name)].append(name)
                except OSError:
                    return None
                self.listed[found] = names
            fitting = self.listed[found].get(unicodedata.normalize("NFC", part), [])
            if len(fitting) != 1:
                return None
            found = os.path.join(found, fitting[0])
        return found


def refuse_missing(listed: ListedFiles, folder: Path, table: str, limit: float) -> None:
    """Refuse a table of which too many files are missing, with the reason where it can be seen.

    Raises:
        DataError: more than the share `limit` of the files are not there.
    """
    missing = [path for path, file in zip(listed.paths, listed.files, strict=True) if not os.path.exists(file)]
    if len(missing) <= limit * len(listed.paths):
        return
    expected = f"Expected the files that {table} lists, below {os.path.abspath(folder)}"
    found = f"found {len(missing):,} of {len(listed.paths):,} missing, among them {printable(missing[0])!r}"
    raise DataError(expected, found, _why_missing(missing[:_LOOKED_AT], folder))


def _why_missing(missing: Sequence[str], folder: Path) -> str:
    """Return what tells the paths from files that are there, as a remedy."""
    by_name: dict[str, list[str]] = defaultdict(list)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in islice(_files_below(folder), _MOST_FILES):
        base = _alike(os.path.basename(name))
        by_name[base].append(name)
        if os.path.splitext(base)[1] in IMAGE_SUFFIXES:
            by_stem[os.path.splitext(base)[0]].append(name)
    for path in missing:
        same_name = by_name.get(_alike(os.path.basename(path)), [])
        if others := [name for name in same_name if _alike(name) == _alike(path)]:
            other = printable(others[0])
            return f"On disk it is {other!r}: write it with the same capitals, which tell files apart here"
        for above in (folder.resolve().parent, folder.resolve().parent.parent):
            if os.path.exists(above / path):
                return f"It lies below {above}: place the CSV there"
        parts = PurePosixPath(path).parts
        for cut in range(1, len(parts)):
            rest = "/".join(parts[cut:])
            if os.path.exists(folder / rest):
                return (
                    f"It is there as {printable(rest)!r}: write the paths without {printable('/'.join(parts[:cut]))}/"
                )
        if len(same_name) == 1:
            return _other_folder(path, same_name[0])
        stems = by_stem.get(_alike(os.path.basename(path)), []) or by_stem.get(
            os.path.splitext(_alike(os.path.basename(path)))[0], []
        )
        if len(stems) == 1:
            end = os.path.splitext(stems[0])[1]
            return f"There is {printable(stems[0])!r}: write the names with the ending {printable(end)} that they have"
    return "No file of these names lies below that folder: place the CSV in the folder above the images"


def _other_folder(path: str, found: str) -> str:
    """Return what to do about a file that lies elsewhere below the folder."""
    if found.endswith("/" + path):
        front = found[: -len(path)]
        return f"It lies in {printable(front)}: place the CSV there, or write {printable(front)} in front of each path"
    return f"A file of that name is {printable(found)!r}: write the paths as they are below the CSV's folder"


def _files_below(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            yield os.path.relpath(os.path.join(root, name), folder)


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
