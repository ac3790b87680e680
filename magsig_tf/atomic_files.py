"""Files appear whole or not at all: each is written to a temporary name beside its place and renamed."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from magsig_tf.errors import MagsigError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Raises:
        MagsigError: the folder cannot be written (read-only, disk full).
    """
    path = Path(path)
    # the suffix stays last: writers such as numpy append one when it is missing
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise MagsigError(
            f"Expected to write {path}", f"found: {error.strerror or error}", "Free space or choose another --workspace"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # what could not be made need not be removed
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as indented JSON (NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON file.

    Raises:
        MagsigError: the file is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MagsigError(
            f"Expected JSON in {path}", f"found: {error}", "Remove the file and repeat the command that wrote it"
        ) from error
