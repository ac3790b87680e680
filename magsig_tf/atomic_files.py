"""Files appear whole or not at all.

A file is written to a temporary name beside its place and renamed. What a killed process leaves of such names is
removed by the next one that writes in the same folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from magsig_tf.errors import MagsigError, in_one_line, of_system, reading_remedy, writing
from magsig_tf.locks import new_temporary, refuse_no_file, sweep


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Args:
        path: The file that is meant.
        durable: Whether its bytes are on the disk before it is renamed, so that a power cut cannot lose them.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    with _place_of(path) as place:
        temporary, held = new_temporary(place)
        try:
            yield temporary
            if durable:
                with open(temporary, "rb") as handle:
                    os.fsync(handle.fileno())
            os.replace(temporary, place)
        finally:
            with contextlib.suppress(OSError):  # gone where it was renamed
                temporary.unlink()
            os.close(held)


@contextlib.contextmanager
def growing(path: Path, keep: int = 0) -> Iterator[TextIO]:
    """Yield a text file that grows beside `path`; rename it to `path` when the block ends well, leave it otherwise.

    Args:
        path: The file that is meant; what grows is `partial_path(path)`.
        keep: Bytes of an earlier, unfinished one to keep; the block goes on behind them.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    with _place_of(path) as place:
        with open(partial_path(place), "r+" if keep else "w", encoding="utf-8", newline="") as handle:
            handle.truncate(keep)
            handle.seek(keep)
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial_path(place), place)


@contextlib.contextmanager
def _place_of(path: Path) -> Iterator[Path]:
    """Yield where a file is to lie, its folder made."""
    # a link leads to the file that is meant; renaming would replace the link itself
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    with writing(path):
        refuse_no_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        yield path


def replace_folder(folder: Path, finished: Path, aside: Path) -> None:
    """Put a finished folder into its place; what lies there goes aside, and away once the new one is there.

    A kill between the two renames leaves it aside: the next call begins with `put_back`.

    Args:
        folder: The place.
        finished: What is to lie there, on the same file system.
        aside: Where an old one waits.

    Raises:
        MagsigError: a folder cannot be written.
    """
    with writing(folder):
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            os.replace(folder, aside)
        try:
            os.replace(finished, folder)
        except OSError:
            put_back(folder, aside)
            raise


def put_back(folder: Path, aside: Path) -> None:
    """Put a folder back that `replace_folder` had put aside, where a kill came before the new one was in its place."""
    if aside.exists() and not folder.exists():
        with writing(folder):
            os.replace(aside, folder)


def partial_path(path: Path) -> Path:
    """Return the name under which a file grows until it is whole."""
    return path.with_name(f"{path.name}.partial")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as `json_text` gives it, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """Return a value as indented JSON, NaN refused."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict:
    """Read a JSON object from a file.

    Raises:
        MagsigError: the file cannot be read or is no JSON object.
    """
    cause: BaseException | None = None
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        found = f"a {type(value).__name__}"
    # ValueError: no JSON, no UTF-8, or a number of thousands of digits; RecursionError: ten thousand brackets
    except (OSError, ValueError, RecursionError) as error:
        found, cause = of_system(error) if isinstance(error, OSError) else in_one_line(error), error
    remedy = reading_remedy(cause, "Move the file aside and repeat the command that wrote it")
    raise MagsigError(f"Expected JSON in {path}", f"found: {found}", remedy) from cause


def content_hash(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits.

    Args:
        file: Weights, say; of a file with the same time and size the hash is remembered.

    Raises:
        OSError: it cannot be read.
    """
    state = file.stat()
    return _content_hash(file, state.st_mtime_ns, state.st_size)


@lru_cache
def _content_hash(file: Path, modified_ns: int, size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
