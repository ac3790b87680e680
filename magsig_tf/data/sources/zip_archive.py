"""Zip archives read member by member, without unpacking; declared sizes are checked before anything is expanded."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.archive import (
    ARCHIVE_SUFFIXES,
    LARGEST_MEMBER,
    OTHER_ARCHIVES,
    TarStream,
    check_size,
    ends_of,
    first_time,
    is_zip,
    odd_member,
    plain_member_name,
    tar_members,
)
from magsig_tf.errors import DataError, MagsigError, in_one_line

MOST_MEMBERS = 1_000_000
MOST_TIMES = 200
"""How many times the bytes of the archive its images may declare; pictures hardly shrink in a zip."""
_ENCRYPTED = 0x1


def open_archive(path: Path) -> TarStream | ZipFiles:
    """Return the reader of an archive; its first bytes decide, whatever its name says.

    Raises:
        DataError: it is an archive of a kind that is not read.
    """
    with open(path, "rb") as raw:
        start = raw.read(8)
    for mark, kind in OTHER_ARCHIVES.items():
        if start.startswith(mark):
            remedy = "Unpack it and pass the folder"
            raise DataError("Expected a tar or zip archive", f"found a {kind} archive, {path.name}", remedy)
    return ZipFiles(path) if is_zip(start) else TarStream(path)


class ZipFiles:
    """The files of a zip archive, in the order of its directory.

    Args:
        path: The archive.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._share = 0.0

    def fraction_read(self) -> float:
        """Return how many of the members have been passed, in [0, 1]."""
        return self._share

    def fingerprint(self) -> dict[str, object]:
        """Return the archive's size and a hash of its two ends, which hold the checksums of its last members."""
        return ends_of(self.path)

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | None]]:
        """Read the archive once.

        Args:
            wanted: Decides from a member's name whether its bytes are read.

        Yields:
            Name (relative, posix) and bytes of each file; None for the bytes of unwanted ones. The files of a tar
            archive in the archive come in its place.

        Raises:
            DataError: a member with an absolute name or `..`, a link, a device, a password or an absurd declared size,
                a name twice; or an archive that is cut off or damaged.
        """
        seen: set[str] = set()
        name = "the start"
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
                self._check_declared(members, wanted)
                for passed, member in enumerate(members, start=1):
                    self._share = passed / len(members)
                    name = _plain_name(member)
                    if member.is_dir():
                        continue
                    if name.lower().endswith(ARCHIVE_SUFFIXES):
                        with archive.open(member) as stream:
                            yield from tar_members(stream, name, wanted, seen, inner=True)
                        continue
                    first_time(name, seen)
                    yield name, _read(archive, member, name) if wanted(name) else None
        except MagsigError:
            raise
        except NotImplementedError as error:
            found = f"found {printable(name)}: {in_one_line(error)[:100]}"
            raise DataError(
                "Expected a zip archive that can be read", found, "Unpack it and pass the folder"
            ) from error
        except Exception as error:  # zipfile and the decompressors raise anything on damaged bytes
            found = f"found it damaged or cut off at {printable(name)} ({printable(in_one_line(error))[:200]})"
            raise DataError(f"Expected to read the archive {self.path.name}", found, "Download it again") from error
        self._share = 1.0

    def _check_declared(self, members: list[zipfile.ZipInfo], wanted: Callable[[str], bool]) -> None:
        unpack = "Use an archive of plain files, or pass the unpacked folder"
        if len(members) > MOST_MEMBERS:
            raise DataError(f"Expected at most {MOST_MEMBERS:,} members", f"found {len(members):,}", unpack)
        declared = 0
        for member in members:
            name = _plain_name(member)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise odd_member("a link" if kind == stat.S_IFLNK else "a device or pipe", name)
            inner = name.lower().endswith(ARCHIVE_SUFFIXES)
            if not inner:
                check_size(name, member.file_size, LARGEST_MEMBER)
            if inner or wanted(name):
                if member.flag_bits & _ENCRYPTED:
                    found = f"found {printable(name)} locked with one"
                    raise DataError("Expected an archive without a password", found, "Unpack it and pass the folder")
                declared += 0 if inner else member.file_size
        size = self.path.stat().st_size
        if declared > MOST_TIMES * size:
            expected = f"Expected images that declare at most {MOST_TIMES} times the bytes of {self.path.name}"
            raise DataError(expected, f"found {declared:,} bytes in {size:,}", unpack)


def _plain_name(member: zipfile.ZipInfo) -> str:
    # some programs of Windows write backslashes, against the format
    return plain_member_name(member.filename.replace("\\", "/"))


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(member) as stream:
        # zipfile expands no more than is declared, and compares the checksum at the end
        content = stream.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise zipfile.BadZipFile(f"{name} is cut off")
    return content
