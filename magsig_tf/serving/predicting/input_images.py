"""What `predict` is given: images, folders and CSV files, as one stream of images in a fixed order."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from magsig_tf.data.identity import plain_name, site_case, spelled_once
from magsig_tf.data.pixels.whole_slides import slide_maker
from magsig_tf.data.plain_text import printable
from magsig_tf.data.same_names import pairs_of_names
from magsig_tf.data.sources.breakhis import parse_name
from magsig_tf.data.sources.folder_files import HIDDEN, is_hidden
from magsig_tf.data.sources.images import IMAGE_SUFFIXES
from magsig_tf.data.sources.label_words import parse_pairs
from magsig_tf.data.sources.listed_files import ListedFiles, find_listed_files, refuse_missing
from magsig_tf.data.sources.source import IgnoredFiles
from magsig_tf.data.tables import is_table, read_table
from magsig_tf.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = IMAGE_SUFFIXES
"""In a folder these are taken for images; a file that is named by itself or in a CSV is taken whatever its name."""


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by path.

    Raises:
        DataError: there is none.
    """
    files = (path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and not is_hidden(path.name))
    images = sorted(path for path in files if path.is_file())
    if not images:
        found = f"found none ending in {', '.join(SUFFIXES)}"
        raise DataError(f"Expected images below {folder}", found, "Pass another folder")
    return images


@dataclass(frozen=True)
class InputImage:
    """One image to predict.

    Args:
        file: Its name as the list or folder gives it, printable.
        path: Where it lies; None where the list names none.
        case: The patient; empty where it is not known.
        slide: The slide; empty where it is not known.
        magnification: Such as "400X"; empty where it is not known.
    """

    file: str
    path: Path | None
    case: str = ""
    slide: str = ""
    magnification: str = ""


class InputImages:
    """The images of all arguments, each once, listed anew at every iteration.

    Args:
        arguments: Images, folders and tables.
        columns: For columns of the tables the name that these have, as pairs or as `--columns` writes them.
        sheet: Name of the sheet of a workbook.

    Attributes:
        skipped: What the folders hold besides images, of the last iteration.
        repeated: How many images were named again, of the last iteration.
        followed: How many files of the folders are links, which were followed, of the last iteration.
        notes: What was assumed while reading the tables, as sentences.

    Raises:
        UsageError: an argument does not exist, or is neither file nor folder.
    """

    def __init__(
        self, arguments: Sequence[Path], columns: Mapping[str, str] | str | None = None, sheet: str | None = None
    ):
        self.arguments = [Path(argument) for argument in arguments]
        self.columns = {} if columns is None else parse_pairs(columns, tuple(COLUMNS), "--columns")
        self.sheet = sheet
        if (self.columns or sheet is not None) and not any(map(is_table, self.arguments)):
            found = "found none among the arguments"
            raise UsageError("Expected a table for --columns and --sheet", found, "Pass a CSV or an Excel workbook")
        for argument in self.arguments:
            if not (argument.is_file() or argument.is_dir()):
                found = "found a device or pipe" if argument.exists() else "found none"
                raise UsageError(f"Expected an image, a folder or a CSV file: {argument}", found, "Check the path")
        self.skipped, self.repeated, self.followed, self.notes = IgnoredFiles(), 0, 0, list[str]()

    def count(self) -> int:
        """List everything once and return how many images there are.

        Raises:
            DataError: as iterating does, or there is no image at all.
        """
        images = sum(1 for _ in self)
        if not images:
            expected = f"Expected images in {', '.join(map(str, self.arguments))}"
            found = f"found none among {sum(self.skipped.counts.values())} files"
            remedy = f"Pass files ending in {', '.join(sorted(SUFFIXES))}, or a CSV with the column path"
            raise DataError(expected, found, remedy)
        return images

    def __iter__(self) -> Iterator[InputImage]:
        """Yield the images: argument by argument, folders sorted by name, CSV files in their order.

        Raises:
            DataError: a folder cannot be listed, or a CSV is none of images.
        """
        self.skipped, self.repeated, self.followed = IgnoredFiles(), 0, 0
        seen: set[bytes] = set()
        for image in self._all():
            place = _place(image)
            if place in seen:
                self.repeated += 1
                continue
            # an image that is named without a place has nothing to be compared by
            seen.update([place] if place else [])
            yield image

    def _all(self) -> Iterator[InputImage]:
        for argument in self.arguments:
            if argument.is_dir():
                yield from map(_named, self._below(argument))
            elif is_table(argument):
                images, notes = listed_images(argument, self.columns, self.sheet)
                self.notes += [note for note in notes if note not in self.notes]
                yield from images
            else:
                yield _named(argument)

    def _below(self, folder: Path) -> Iterator[Path]:
        """Yield the images of a folder and of those below it; links to folders could lead in a circle: not followed."""
        for root, folders, files in os.walk(folder, onerror=_refuse_unlisted):
            folders[:] = sorted(name for name in folders if not self._skips(root, name, "folder"))
            yield from (Path(root, name) for name in sorted(files) if not self._skips(root, name, "file"))

    def _skips(self, root: str, name: str, what: str) -> bool:
        suffix, is_link = os.path.splitext(name)[1].lower(), os.path.islink(os.path.join(root, name))
        if is_hidden(name) or (what == "folder" and name == "__MACOSX"):
            kind = HIDDEN if what == "file" else "hidden folder"
        elif what == "folder" and is_link:
            kind = "link to a folder (not followed)"
        elif what == "file" and suffix not in SUFFIXES:
            maker = slide_maker(name)
            kind = f"whole slide ({maker}; not read, cut tiles from it)" if maker else _file_of(suffix)
        else:
            self.followed += is_link
            return False
        self.skipped.add(kind, printable(name))
        return True


def _file_of(suffix: str) -> str:
    return f"{printable(suffix) or 'no suffix'} file"


COLUMNS = {"path": ("file", "image"), "case": (), "slide": (), "magnification": (), "site": ()}
"""Columns of a list that are read, each with other names that are read as it."""


SAID = ("case", "slide", "magnification")
"""What is known of an image beside its file, in the order of `InputImage`."""
_PAIRS_SHOWN = 3


def listed_images(
    path: Path, columns: Mapping[str, str] | None = None, sheet: str | None = None
) -> tuple[list[InputImage], list[str]]:
    """Return the images of a table, and what was assumed while reading it, as sentences.

    What its rows say goes before what a BreaKHis name says.

    Args:
        path: A CSV or an Excel workbook with a column `path` (or `file`, `image`), see
            `magsig_tf.data.tables.read_table`; `case`, `slide`, `magnification` and `site` are read where they are
            there, as `magsig prepare` reads them; other columns are not.
        columns: For these columns the name that the table has for them.
        sheet: Name of the sheet of a workbook.

    Raises:
        UsageError: a column or sheet that was chosen is not there.
        DataError: it cannot be read, has no such column, or none of its files is there.
    """
    table = read_table(path, COLUMNS, required=("path",), chosen=columns, sheet=sheet)
    texts = table.frame["path"].tolist()
    listed = find_listed_files(texts, path.parent, table.where, path.name, anywhere=True)
    named = [row for row, text in enumerate(texts) if text]
    if named and not any(os.path.exists(listed.files[row]) for row in named):
        there = ListedFiles([listed.paths[row] for row in named], [listed.files[row] for row in named], [])
        refuse_missing(there, path.parent, path.name, 0)
    names = names_in(table.frame)
    own = [names.get(key, [""] * len(texts)) for key in SAID]
    images = []
    for text, shown, file, *said in zip(texts, listed.paths, listed.files, *own, strict=True):
        image = _named(PurePath(shown), path.parent) if text else InputImage("", None)
        values = (printable(value) or getattr(image, key) for key, value in zip(SAID, said, strict=True))
        images.append(InputImage(image.file, file if text else None, *values))
    return images, [*table.notes, *listed.notes, *_doubtful(image.case for image in images)]


def names_in(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of names as they read: a magnification under one spelling, a case with its site."""
    names = {key: list(map(plain_name, table[key])) for key in (*SAID, "site") if key in table}
    # a table that does not say them has none
    written = names.get("magnification", [""] * len(table))
    once = spelled_once(written)
    names["magnification"] = [once[name] for name in written]
    for key in (key for key in ("case", "slide") if key in names and "site" in names):
        pairs = zip(names["site"], names[key], strict=True)
        names[key] = [site_case(site, name) if site and name else name for site, name in pairs]
    return names


def _doubtful(cases: Iterable[str]) -> list[str]:
    """Return a sentence about cases whose names may be one, where there are such; a mean is written for each."""
    pairs = pairs_of_names(filter(None, cases), "case", patients=True)
    if not pairs:
        return []
    shown = ", ".join(f"{pair.first!r} and {pair.second!r} ({pair.rule})" for pair in pairs[:_PAIRS_SHOWN])
    more = f", and {len(pairs) - _PAIRS_SHOWN:,} more pairs" if len(pairs) > _PAIRS_SHOWN else ""
    return [f"names of cases that may be one, each with a mean of its own: {shown}{more}"]


def _named(shown: PurePath, folder: Path = Path()) -> InputImage:
    """Return an image of which its name alone says what it is."""
    found = parse_name(shown.name)
    known = {} if found is None else {"case": found.case, "slide": found.slide, "magnification": found.magnification}
    return InputImage(printable(str(shown)), folder / shown, **known)


def _place(image: InputImage) -> bytes:
    """Return what tells a file from others, in 16 bytes: memory must stay small for many of them."""
    if image.path is None:
        return b""
    path = os.path.join(os.getcwd(), image.path)
    folder, name = os.path.split(path)
    whole = os.path.realpath(path) if os.path.islink(path) else os.path.join(_real_folder(folder), name)
    return hashlib.blake2b(whole.encode(errors="surrogateescape"), digest_size=16).digest()


@functools.lru_cache(maxsize=64)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _refuse_unlisted(error: OSError) -> None:
    expected, found = f"Expected to list {error.filename}", f"found: {error.strerror}"
    raise DataError(expected, found, "Check its permissions") from error
