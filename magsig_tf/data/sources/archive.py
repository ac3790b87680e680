"""Tar archives read front to back, once, without unpacking; whatever a hostile archive may try is refused."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from magsig_tf.data.sources.images import printable
from magsig_tf.errors import DataError, MagsigError

LARGEST_MEMBER = 64 * 2**20
LARGEST_HEADER = 16 * 2**10
"""tarfile searches extended headers in quadratic time: a quarter of a second for this, many minutes for a megabyte."""
_HEADER_TYPES = {b"x", b"g", b"X", tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_UNPACK = "Use an archive of plain files, or pass the unpacked folder"


class _Bounded(tarfile.TarInfo):
    """A member header that is refused before anything of the size it declares is read.

    tarfile reads extended headers and lists of holes into memory whole.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        _check_size(header, LARGEST_HEADER if header.type in _HEADER_TYPES else LARGEST_MEMBER)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _odd_member("a sparse file", header.name)
        return header

    def _proc_gnusparse_10(self, following: tarfile.TarInfo, *_: object) -> None:
        # the one hook before tarfile reads a list that the data, not a header, hold
        raise _odd_member("a sparse file", following.name)


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


def is_archive(path: Path) -> bool:
    """Return whether a file begins as a tar archive, compressed or not; quick, whatever it declares."""
    try:
        with tarfile.open(path, tarinfo=_Bounded):
            return True
    except DataError:
        return True  # what is wrong with it is told on reading
    except Exception:  # tarfile and the decompressors raise anything on other bytes
        return False


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
            Name (relative, posix, without "./") and bytes of each file; None for the bytes of unwanted ones.

        Raises:
            DataError: a member with an absolute name or `..`, a link, a device or pipe, an absurd declared size, a
                name twice; or an archive that is cut off or damaged.
        """
        seen: set[str] = set()
        name = "the start"
        try:
            with open(self.path, "rb") as raw, tarfile.open(fileobj=raw, mode="r|*", tarinfo=_Header) as archive:
                while (member := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # not in the stubs; would keep every header
                    name = _checked_name(member)
                    self._position = raw.tell()
                    if member.isdir():
                        continue
                    if name in seen:
                        raise DataError("Expected each member once", f"found {printable(name)!r} twice", _UNPACK)
                    seen.add(name)
                    yield name, _read(archive, member) if wanted(name) else None
        except MagsigError:
            raise
        except Exception as error:  # tarfile and the decompressors raise anything on damaged bytes
            found = f"found it damaged or cut off after {printable(name)} ({error})"
            remedy = "Download it again"
            raise DataError(f"Expected to read the archive {self.path.name} to its end", found, remedy) from error
        self._position = self._bytes

    def fingerprint(self) -> dict[str, object]:
        """Return the archive's size and a hash of its two ends, which for gzip hold the checksum of the whole."""
        end = 2**16
        with open(self.path, "rb") as raw:
            ends = raw.read(end)
            raw.seek(max(0, self._bytes - end))
            ends += raw.read(end)
        return {"bytes": self._bytes, "ends_sha256": hashlib.sha256(ends).hexdigest()}


def _check_size(header: tarfile.TarInfo, limit: int) -> None:
    if not 0 <= header.size <= limit:
        expected = f"Expected archive members of at most {_in_words(limit)}"
        raise DataError(expected, f"found {printable(header.name)!r} declaring {header.size:,} bytes", _UNPACK)


def _checked_name(member: tarfile.TarInfo) -> str:
    name = PurePosixPath(member.name)
    shown = printable(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError("Expected archive members below the archive's own folder", f"found {shown!r}", _UNPACK)
    # extended headers may have changed the size since the header was read
    _check_size(member, LARGEST_MEMBER)
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise _odd_member("a link" if member.issym() or member.islnk() else "a device or pipe", member.name)
    return str(name)


def _odd_member(kind: str, name: str) -> DataError:
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
