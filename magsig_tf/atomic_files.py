"""Files appear whole or not at all: each is written to a temporary name beside its place and renamed."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from magsig_tf.errors import MagsigError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    path = Path(path)
    # a link leads to the file that is meant; renaming would replace the link itself
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    # the suffix stays last: writers such as numpy append one when it is missing
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        with writing(path):
            if path.exists() and not path.is_file():
                raise MagsigError(
                    f"Expected a place for a file at {path}", "found a folder, device or pipe", "Choose another place"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # what could not be made need not be removed
            temporary.unlink()


@contextlib.contextmanager
def growing(path: Path, keep: int = 0) -> Iterator[TextIO]:
    """Yield a text file that grows beside `path`; rename it to `path` when the block ends well, leave it otherwise.

    Args:
        path: The file that is meant; what grows is `partial_path(path)`.
        keep: Bytes of an earlier, unfinished one to keep; the block goes on behind them.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full), or the path is no file's.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    partial = partial_path(path)
    with writing(path):
        if path.exists() and not path.is_file():
            raise MagsigError(
                f"Expected a place for a file at {path}", "found a folder, device or pipe", "Choose another place"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "r+" if keep else "w", encoding="utf-8", newline="") as handle:
            handle.truncate(keep)
            handle.seek(keep)
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)


def partial_path(path: Path) -> Path:
    """Return the name under which a file grows until it is whole."""
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that says what to do.

    Args:
        path: What the block writes.

    Raises:
        MagsigError: it cannot be written (read-only, disk full).
    """
    try:
        yield
    except OSError as error:
        raise MagsigError(
            f"Expected to write {path}", f"found: {error.strerror or error}", "Free space or choose another --workspace"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as indented JSON (NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object from a file.

    Raises:
        MagsigError: the file cannot be read or is no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    # ValueError: no JSON, no UTF-8, or a number of thousands of digits; RecursionError: ten thousand brackets
    except (OSError, ValueError, RecursionError) as error:
        raise _no_object(path, " ".join(str(error).split())) from error
    if not isinstance(value, dict):
        raise _no_object(path, f"a {type(value).__name__}")
    return value


def _no_object(path: Path, found: str) -> MagsigError:
    return MagsigError(
        f"Expected JSON in {path}", f"found: {found}", "Remove the file and repeat the command that wrote it"
    )
