"""Archives read member by member, without unpacking: tar front to back, once; what a hostile one may try is refused."""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Self

from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, MagsigError

LARGEST_MEMBER = 64 * 2**20
LARGEST_HEADER = 16 * 2**10
"""tarfile searches extended headers in quadratic time: a quarter of a second for this, many minutes for a megabyte."""
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""A member that ends so is read as an archive of its own, one deep; it is passed through, so it may have any size."""
_HEADER_TYPES = {b"x", b"g", b"X", tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_UNPACK = "Use an archive of plain files, or pass the unpacked folder"


class _Bounded(tarfile.TarInfo):
    """A member header that is refused before anything of the size it declares is read.

    tarfile reads extended headers and lists of holes into memory whole.
    """

    @classmethod
    def inner_archive(cls, name: str) -> bool:
        """Return whether a member is read as an archive of its own."""
        return name.lower().endswith(ARCHIVE_SUFFIXES)

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADER_TYPES or not cls.inner_archive(header.name):
            check_size(header.name, header.size, LARGEST_HEADER if header.type in _HEADER_TYPES else LARGEST_MEMBER)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise odd_member("a sparse file", header.name)
        return header

    def _proc_gnusparse_10(self, following: tarfile.TarInfo, *_: object) -> None:
        # the one hook before tarfile reads a list that the data, not a header, hold
        raise odd_member("a sparse file", following.name)


class _Header(_Bounded):
    """A member header inside an archive: tarfile would take an archive cut between two members for a complete one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # missing from the stubs
            raise
        except tarfile.HeaderError as error:
            expected = "Expected a tar archive that is whole"
            raise DataError(expected, f"found it cut off or damaged ({error})", "Download it again") from error


class _InnerHeader(_Header):
    """A member header inside an archive that is itself a member: what it holds is not read as an archive again."""

    @classmethod
    def inner_archive(cls, name: str) -> bool:
        return False


OTHER_ARCHIVES = {b"Rar!\x1a\x07": "RAR", b"7z\xbc\xaf\x27\x1c": "7z"}
"""First bytes of archives that are not read."""


def is_archive(path: Path) -> bool:
    """Return whether a file begins as an archive that can be read or refused by name; quick, whatever it declares."""
    with contextlib.suppress(OSError), open(path, "rb") as raw:
        start = raw.read(8)
        if start.startswith(tuple(OTHER_ARCHIVES)) or is_zip(start):
            return True
    try:
        with tarfile.open(path, tarinfo=_Bounded):
            return True
    except DataError:
        return True  # what is wrong with it is told on reading
    except Exception:  # tarfile and the decompressors raise anything on other bytes
        return False


def is_zip(start: bytes) -> bool:
    """Return whether a file's first bytes are those of a zip archive."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class TarStream:
    """The files of a tar archive (plain or compressed with gzip, bzip2 or xz) in their order.

    Args:
        path: The archive.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._bytes = max(1, self.path.stat().st_size)
        self._position = 0

    def fraction_read(self) -> float:
        """Return how much of the archive file has been read, in [0, 1]."""
        return min(1.0, self._position / self._bytes)

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | None]]:
        """Read the archive once.

        Args:
            wanted: Decides from a member's name whether its bytes are read.

        Yields:
            Name (relative, posix, without "./") and bytes of each file; None for the bytes of unwanted ones. The files
            of a tar archive in the archive come in its place.

        Raises:
            DataError: a member with an absolute name or `..`, a link, a device or pipe, an absurd declared size, a
                name twice; or an archive that is cut off or damaged.
        """
        seen: set[str] = set()
        with open(self.path, "rb") as raw:
            for member in tar_members(raw, self.path.name, wanted, seen):
                self._position = raw.tell()
                yield member
        self._position = self._bytes

    def fingerprint(self) -> dict[str, object]:
        """Return the archive's size and a hash of its two ends, which for gzip hold the checksum of the whole."""
        return ends_of(self.path)


def ends_of(path: Path) -> dict[str, object]:
    """Return a file's size and a hash of its first and last 64 KiB."""
    end, size = 2**16, max(1, path.stat().st_size)
    with open(path, "rb") as raw:
        ends = raw.read(end)
        raw.seek(max(0, size - end))
        ends += raw.read(end)
    return {"bytes": size, "ends_sha256": hashlib.sha256(ends).hexdigest()}


def tar_members(
    raw: IO[bytes], title: str, wanted: Callable[[str], bool], seen: set[str], inner: bool = False
) -> Iterator[tuple[str, bytes | None]]:
    """Read a tar archive from a stream; see `TarStream.files`.

    Args:
        raw: The archive's bytes.
        title: Its name, for messages.
        wanted: Decides from a member's name whether its bytes are read.
        seen: Names that there were already; filled.
        inner: Whether it is a member of an archive.
    """
    name = "the start"
    header = _InnerHeader if inner else _Header
    try:
        with tarfile.open(fileobj=raw, mode="r|*", tarinfo=header) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # not in the stubs; would keep every header
                name = _checked_name(member, inner)
                if member.isdir():
                    continue
                if not inner and header.inner_archive(name) and (stream := archive.extractfile(member)) is not None:
                    yield from tar_members(stream, name, wanted, seen, inner=True)
                    continue
                first_time(name, seen)
                yield name, _read(archive, member) if wanted(name) else None
    except MagsigError:
        raise
    except Exception as error:  # tarfile and the decompressors raise anything on damaged bytes
        found = f"found it damaged or cut off after {printable(name)} ({printable(str(error))[:200]})"
        expected = f"Expected to read the archive {printable(title)} to its end"
        raise DataError(expected, found, "Download it again") from error


def first_time(name: str, seen: set[str]) -> None:
    """Refuse a name that an archive holds twice; remember it else."""
    if name in seen:
        raise DataError("Expected each member once", f"found {printable(name)!r} twice", _UNPACK)
    seen.add(name)


def check_size(name: str, size: int, limit: int) -> None:
    """Refuse a member that declares more bytes than a limit."""
    if not 0 <= size <= limit:
        expected = f"Expected archive members of at most {_in_words(limit)}"
        raise DataError(expected, f"found {printable(name)!r} declaring {size:,} bytes", _UNPACK)


def plain_member_name(text: str) -> str:
    """Return a member's name as a relative posix path.

    Raises:
        DataError: it is absolute or has `..`.
    """
    name = PurePosixPath(text)
    if name.is_absolute() or ".." in name.parts:
        expected = "Expected archive members below the archive's own folder"
        raise DataError(expected, f"found {printable(text)!r}", _UNPACK)
    return str(name)


def _checked_name(member: tarfile.TarInfo, inner: bool) -> str:
    name = plain_member_name(member.name)
    # extended headers may have changed the size since the header was read
    if inner or not name.lower().endswith(ARCHIVE_SUFFIXES):
        check_size(name, member.size, LARGEST_MEMBER)
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise odd_member("a link" if member.issym() or member.islnk() else "a device or pipe", member.name)
    return name


def odd_member(kind: str, name: str) -> DataError:
    """Return the refusal of a member that is neither file nor folder."""
    return DataError("Expected only files and folders in the archive", f"found {kind}, {printable(name)!r}", _UNPACK)


def _in_words(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None, "folders are passed over, and so much as a link is refused"
    content = stream.read()
    if len(content) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content
