"""What `predict` is given: images, folders and CSV files, as one stream of images in a fixed order."""

from __future__ import annotations

import csv
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from magsig_tf.data.sources.breakhis import parse_name
from magsig_tf.data.sources.images import printable
from magsig_tf.data.sources.source import IgnoredFiles
from magsig_tf.errors import DataError, UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""In a folder these are taken for images; a file that is named by itself or in a CSV is taken whatever its name."""


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by path.

    Raises:
        DataError: there is none.
    """
    images = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
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
        arguments: Images, folders and CSV files.

    Attributes:
        skipped: What the folders hold besides images, of the last iteration.
        repeated: How many images were named again, of the last iteration.

    Raises:
        UsageError: an argument does not exist, or is neither file nor folder.
    """

    def __init__(self, arguments: Sequence[Path]):
        self.arguments = [Path(argument) for argument in arguments]
        for argument in self.arguments:
            if not (argument.is_file() or argument.is_dir()):
                found = "found a device or pipe" if argument.exists() else "found none"
                raise UsageError(f"Expected an image, a folder or a CSV file: {argument}", found, "Check the path")
        self.skipped, self.repeated = IgnoredFiles(), 0

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
        self.skipped, self.repeated = IgnoredFiles(), 0
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
            elif argument.suffix.lower() == ".csv":
                yield from listed_images(argument)
            else:
                yield _named(argument)

    def _below(self, folder: Path) -> Iterator[Path]:
        """Yield the images of a folder and of those below it; links are not followed, so none leads in a circle."""
        for root, folders, files in os.walk(folder, onerror=_refuse_unlisted):
            folders[:] = sorted(name for name in folders if not self._skips(root, name, "folder"))
            yield from (Path(root, name) for name in sorted(files) if not self._skips(root, name, "file"))

    def _skips(self, root: str, name: str, what: str) -> bool:
        suffix = os.path.splitext(name)[1].lower()
        if name.startswith("."):
            kind = f"hidden {what}"
        elif os.path.islink(os.path.join(root, name)):
            kind = "symbolic link (not followed)"
        elif what == "file" and suffix not in SUFFIXES:
            kind = f"{printable(suffix) or 'no suffix'} file"
        else:
            return False
        self.skipped.add(kind, printable(name))
        return True


def listed_images(path: Path) -> Iterator[InputImage]:
    """Yield the images of a CSV; what its rows say goes before what a BreaKHis name says.

    Args:
        path: A CSV in UTF-8 with a column `path` (or `file`, `image`); `case`, `slide` and `magnification` are read
            where they are there, other columns are not.

    Raises:
        DataError: it cannot be read, has no such column, or a row has more fields than the header.
    """
    try:
        # utf-8-sig: spreadsheets put a mark in front, which would become part of the first column's name
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            columns = _columns(path, next(lines, []))
            for fields in filter(any, lines):
                if len(fields) > len(columns):
                    raise ValueError(f"line {lines.line_num} has {len(fields)} fields, the header {len(columns)}")
                row = dict(zip(columns, map(str.strip, fields), strict=False))
                file = row.get("path")
                image = _named(PurePath(file), path.parent) if file else InputImage("", None)
                own = (printable(row.get(key, "")) or getattr(image, key) for key in ("case", "slide", "magnification"))
                yield InputImage(image.file, image.path, *own)
    except (csv.Error, ValueError, OSError) as error:
        reason = printable(" ".join(str(error).split()))[:200]
        raise DataError(f"Expected a CSV file in UTF-8: {path}", f"found: {reason}", "Save it again") from error


def _columns(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    names = ["path" if name in ("file", "image") and "path" not in names else name for name in names]
    if names.count("path") != 1:
        expected = f"Expected one column path (or file, image) in {path}"
        found = f"found {names.count('path') or 'none'} among {printable(', '.join(names))[:200] or 'nothing'}"
        raise DataError(expected, found, "Rename a column; separate the fields with commas")
    return names


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
