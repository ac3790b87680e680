"""Checksums of what magsig writes, in the `checksums.json` of each folder, and the door through which it is read again.

A file of ours is written with `signing` and read behind `verified`, so that a change in between is told and never
calculated with. Folders of versions that kept no checksums are unsigned: they are read, and `unsigned_folders` names
them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from magsig_tf.atomic_files import json_text, read_json, replacing
from magsig_tf.errors import MagsigError
from magsig_tf.parallel_work import available_cores

FILE = "checksums.json"
MARK = {"checksums": FILE}
"""What a record (`dataset.json`, `run.json`, ...) says, so that a folder that has lost its checksums is told from one
that never had any."""
BLOCK = 16 * 2**20
"""Bytes that one thread hashes at a time; of a larger file the checksum is that of its blocks' checksums."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRAIN_AGAIN = "Move the folder of that run aside and repeat its `magsig train` command"
_REMEDIES = {
    "dataset.json": "Repeat its `magsig prepare` command with --overwrite",
    "run.json": _TRAIN_AGAIN,
    "fold.json": "Move that folder aside and repeat `magsig gan`",
    "gan.json": "Move that folder aside and repeat `magsig gan`",
    "export.json": "Export the run again",
}
"""What writes a folder anew, by the record that lies in it."""
_COMMANDS = {
    "summary": "magsig evaluate",
    "comparison": "magsig compare",
    "claims": "magsig claims",
    "explanation": "magsig augmentation",
    "probes": "magsig probe",
    "signature": "magsig signatures --compare-folds",
}
"""What writes a result table, by the beginning of its name."""
Digests = dict[str, list[str | None]]
"""For each file the checksums that it may have, and None where it may be absent: several while it is being replaced."""


class ChangedError(MagsigError):
    """A file is no longer what magsig wrote."""


_verified: dict[tuple[int, ...], str] = {}
_unsigned: dict[Path, None] = {}


def unsigned_folders() -> list[Path]:
    """Return the folders without checksums that were read since this was last asked, the first first."""
    found = list(_unsigned)
    _unsigned.clear()
    return found


def digest_of(path: Path) -> str:
    """Return the checksum of a file.

    Args:
        path: The file. One of several blocks is hashed by threads, and once in a process until it is written again.

    Returns:
        SHA-256 of its bytes; of more than `BLOCK` bytes, SHA-256 of the SHA-256 (32 bytes each) of its blocks. 64 hex
        digits.
    """
    with open(path, "rb") as file:
        about = os.fstat(file.fileno())
        if about.st_size <= BLOCK:
            return hashlib.file_digest(file, "sha256").hexdigest()
        known = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if known not in _verified:
            starts = range(0, about.st_size, BLOCK)
            with ThreadPoolExecutor(min(4, available_cores())) as threads:
                blocks = threads.map(lambda start: _block(file.fileno(), start), starts)
                _verified[known] = hashlib.sha256(b"".join(blocks)).hexdigest()
        return _verified[known]


def _block(handle: int, start: int) -> bytes:
    digest, piece = hashlib.sha256(), 2**20
    for place in range(start, start + BLOCK, piece):
        digest.update(os.pread(handle, piece, place))
    return digest.digest()


@contextlib.contextmanager
def signing(path: Path) -> Iterator[Path]:
    """Write a file as `atomic_files.replacing` does, and its checksum into the `checksums.json` beside it.

    While the file is renamed both its old and its new checksum hold, so that a kill in between leaves neither wrong.
    """
    path = Path(path)
    with replacing(path) as temporary:
        yield temporary
        digest = digest_of(temporary)
        with _changing(path.parent) as files:
            files[path.name] = [*files.get(path.name, [digest_of(path) if path.is_file() else None]), digest]
    with _changing(path.parent) as files:
        files[path.name] = [digest]


def write_signed_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with its checksum, whole or not at all."""
    with signing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_signed_json(path: Path, value: object) -> None:
    """Write `value` to `path` as `json_text` gives it with its checksum, whole or not at all."""
    write_signed_text(path, json_text(value))


def read_signed_json(path: Path) -> dict:
    """Read a JSON object from a file of ours.

    Raises:
        ChangedError: it is not what was written.
        MagsigError: the file cannot be read or is no JSON object.
    """
    return read_json(verified(path))


def sign_folder(folder: Path) -> None:
    """Sign the files of a finished folder as they are, whoever wrote them: a log that grew, or what a plugin left.

    Args:
        folder: Only the files in it, not those of folders in it.
    """
    with _changing(folder) as files:
        files.clear()
        files.update({path.name: [digest_of(path)] for path in _files(folder)})


def unsign(path: Path) -> None:
    """Take a file out of the checksums of its folder: it is to grow, and is signed again when it is whole."""
    if (path.parent / FILE).is_file():
        with _changing(path.parent) as files:
            files.pop(path.name, None)


def sign_tree(folder: Path, place: Path) -> None:
    """Sign every file below a folder.

    Args:
        folder: The folder.
        place: Where in it the `checksums.json` goes.
    """
    below = [path for path in folder.rglob("*") if path.is_file()]
    files: Digests = {path.relative_to(folder).as_posix(): [digest_of(path)] for path in below}
    _write(place, {name: digests for name, digests in files.items() if Path(name).name != FILE})


def verify_tree(folder: Path, place: Path) -> None:
    """Refuse a folder in which a file that `sign_tree` signed has changed or is missing.

    Raises:
        ChangedError: naming the file.
    """
    files = _listed(place)
    if files is None:
        _without_checksums(place, place / FILE, ours=True)
        return
    for name, digests in files.items():
        path = folder / name
        if not path.is_file():
            raise _changed(path, "found it missing", _REMEDIES["export.json"])
        if digest_of(path) not in digests:
            raise _changed(path, "found it changed since", _REMEDIES["export.json"])


def verified(path: Path, ours: bool = False) -> Path:
    """Return the path of a file that is about to be read, once it was held against the checksum in its folder.

    Args:
        path: The file. Where neither it nor a checksum of it is there, it is returned as it is.
        ours: Whether only magsig can have written it; where the folder holds a record that is known anyway.

    Raises:
        ChangedError: it is not what was written, or is missing, or was not written by magsig.
    """
    path = Path(path)
    files = _listed(path.parent)
    while files is not None:
        problem = _problem(path, files.get(path.name))
        if not problem:
            return path
        again = _listed(path.parent)
        if again == files:
            raise _changed(path, problem)
        files = again  # another process has replaced the file in between
    if path.is_file():
        _without_checksums(path.parent, path, ours)
    return path


def is_expected(path: Path) -> bool:
    """Say whether a file is there, or was and is missing: a checksum of it is."""
    return path.is_file() or path.name in (_listed(path.parent) or {})


def _problem(path: Path, digests: list[str | None] | None) -> str:
    if not path.is_file():
        return "found it missing" if digests and None not in digests else ""
    if digests is None:
        return f"found no checksum of it in {FILE}"
    try:
        return "" if digest_of(path) in digests else "found it changed since"
    except OSError as error:
        return f"found: {error.strerror or error}"


def _without_checksums(folder: Path, path: Path, ours: bool) -> None:
    """Note a folder of before; refuse one that has lost its checksums."""
    record = _record_in(folder)
    if record is not None:
        with contextlib.suppress(OSError):
            if b'"checksums"' in record.read_bytes():
                raise _changed(folder / FILE, "found it missing", _remedy(path))
    if ours or record is not None:
        _unsigned.setdefault(folder)


def _record_in(folder: Path) -> Path | None:
    """Return the record of a folder; that of a checkpoint lies above it."""
    places = (folder.parent / name if folder.name == "checkpoint" else folder / name for name in _REMEDIES)
    return next((place for place in places if place.is_file()), None)


def _changed(path: Path, found: str, remedy: str = "") -> ChangedError:
    return ChangedError(f"Expected {path} as magsig wrote it", found, remedy or _remedy(path))


def _remedy(path: Path) -> str:
    if path.parent.name == "checkpoint":
        return "Move that folder checkpoint aside and repeat the command: training starts again from its beginning"
    record = _record_in(path.parent)
    if record is not None:
        return _REMEDIES[record.name]
    if path.parent.name in ("random-encoder", "frozen-encoder"):
        return "Move it aside; the next run trained with that encoder writes it again"
    command = next((command for start, command in _COMMANDS.items() if path.name.startswith(start)), "")
    return f"Repeat `{command}`" if command else "Repeat the command that wrote it"


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder that can be signed: no lock, nothing temporary."""
    found = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [path for path in found if path.name not in (FILE, "lock") and path.suffix != ".partial"]


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[Digests]:
    """Yield the checksums of a folder to be changed, one process at a time; in one of before, of what is there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # file systems without locks on folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            files = _listed(folder)
        except ChangedError:
            files = {}  # what lies there is proved by nothing: it is refused until it is written anew
        if files is None:
            files = {path.name: [digest_of(path)] for path in _files(folder)}
        yield files
        _write(folder, files)
    finally:
        os.close(handle)


def _listed(folder: Path) -> Digests | None:
    """Return the checksums of a folder; None where it has none.

    Raises:
        ChangedError: the file that holds them is damaged.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        found = "bytes that are no text" if isinstance(error, ValueError) else str(error.strerror or error)
        raise _changed(path, f"found: {found}") from error
    try:
        files = json.loads(text)["files"]
        if all(map(_are_digests, files.values())) and text == _as_text(files):
            return files
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise _changed(path, "found it changed since")


def _are_digests(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(each is None or (isinstance(each, str) and _SHA256.fullmatch(each)) for each in value)


def _as_text(files: Digests) -> str:
    own = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "checksum": own}, indent=2, sort_keys=True) + "\n"


def _write(folder: Path, files: Digests) -> None:
    # not forced to the disk: where a power cut takes the name it takes that of the file signed, renamed later, too
    with replacing(folder / FILE, durable=False) as temporary:
        temporary.write_text(_as_text(files), encoding="utf-8")
