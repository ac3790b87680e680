"""The files below a folder: which are images, which are links, and which only a system has left there."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from magsig_tf.data.pixels.whole_slides import slide_maker
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.images import IMAGE_SUFFIXES
from magsig_tf.errors import DataError

HIDDEN = "hidden file"
"""What files are called that a system leaves beside the images, such as `.DS_Store` and `._NAME`."""
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")


def is_hidden(name: str) -> bool:
    """Return whether a system left a file beside others, such as `.DS_Store`, `._NAME` and all of `__MACOSX`.

    Args:
        name: Relative posix path.
    """
    *folders, base = name.split("/")
    return base.startswith(".") or "__MACOSX" in folders or base.lower() in _SYSTEM_FILES


def kind_of_file(name: str, image: str) -> str:
    """Return what a file is that is no image of the data set.

    Args:
        name: Relative posix path.
        image: What to call one that ends as images do.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if is_hidden(name):
        return HIDDEN
    if suffix in IMAGE_SUFFIXES:
        return image
    maker = slide_maker(name)
    return f"whole slide ({maker}; not read)" if maker else f"{printable(suffix) or 'no suffix'} file"


@dataclass(frozen=True)
class FolderFiles:
    """The images below a folder.

    Args:
        files: Relative posix paths, sorted.
        notes: What is to be said of them, as sentences.
    """

    files: list[str]
    notes: list[str]


def list_folder(folder: Path, is_image: Callable[[str], bool], ignore: Callable[[str], None]) -> FolderFiles:
    """List the images below a folder; links to files are followed, links to folders are not: none leads in a circle.

    Args:
        folder: Where to begin; it may itself be a link.
        is_image: Decides from a relative posix path whether a file is an image.
        ignore: Told every other file, and links to folders.

    Raises:
        DataError: a folder cannot be listed.
    """
    files, followed, folders = [], 0, []
    for path, is_link in walk_files(folder):
        name = path.relative_to(folder).as_posix()
        if is_link and path.is_dir():
            folders.append(name)
        elif not is_image(name):
            ignore(name)
        else:
            # a link that leads nowhere is an image that cannot be read, and told as one
            files.append(name)
            followed += is_link
    notes = [f"{followed:,} of the {len(files):,} files are links, which were followed"] if followed else []
    if folders:
        shown = f"{', '.join(map(printable, folders[:3]))}{', ...' if len(folders) > 3 else ''}"
        notes.append(f"links to folders are not followed: {len(folders):,} ({shown})")
    return FolderFiles(sorted(files), notes)


def listing_hash(folder: Path, files: list[str]) -> str:
    """Return a hash of names, sizes and times of files below a folder."""
    digest = hashlib.sha256()
    for name in files:
        with contextlib.suppress(OSError):  # a link that leads nowhere
            status = (folder / name).stat()
            digest.update(f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode(errors="surrogateescape"))
    return digest.hexdigest()


def walk_files(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield every file below a folder with whether it is a symbolic link; follow no link.

    The order is fixed: folder by folder, sorted in each.

    Args:
        folder: Where to begin; it may itself be a link.

    Raises:
        DataError: a folder cannot be listed.
    """
    for root, folders, files in os.walk(folder, onerror=_refuse_unlisted):
        folders.sort()
        # os.walk names links to folders among the folders but does not enter them
        for name in sorted([*files, *(name for name in folders if os.path.islink(os.path.join(root, name)))]):
            path = Path(root, name)
            yield path, path.is_symlink()


def _refuse_unlisted(error: OSError) -> None:
    remedy = "Check its permissions"
    raise DataError(f"Expected to list {error.filename}", f"found: {error.strerror}", remedy) from error
