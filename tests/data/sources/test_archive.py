from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magsig_tf.data.sources.archive import LARGEST_MEMBER, TarStream, is_archive
from magsig_tf.errors import DataError
from tests.data.small_images import random_pixels, write_tar


def everything(path):
    return dict(TarStream(path).files(lambda name: True))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_come_in_order_whatever_the_compression(tmp_path, mode):
    files = {"./b/2.png": b"two", "a/1.png": b"one" * 500}
    stream = TarStream(write_tar(tmp_path / "archive", files, mode))
    assert list(stream.files(lambda name: name.startswith("b"))) == [("b/2.png", b"two"), ("a/1.png", None)]
    assert stream.fraction_read() == 1.0


def member(name: str, **attributes) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(header, attribute, value)
    return header


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("/etc/passwd"), "'/etc/passwd'"),
        (member("a/../../evil.png"), "evil.png"),
        (member("link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link, 'link.png'"),
        (member("hard.png", type=tarfile.LNKTYPE, linkname="a.png"), "a link, 'hard.png'"),
        (member("dev.png", type=tarfile.CHRTYPE), "a device or pipe, 'dev.png'"),
        (member("fifo.png", type=tarfile.FIFOTYPE), "'fifo.png'"),
        (member("huge.png", size=LARGEST_MEMBER + 1), "'huge.png' declaring 67,108,865 bytes"),
        (member("x\x1b[31m.png", type=tarfile.SYMTYPE), r"\\x1b"),
        (member("good.png"), "'good.png' twice"),
    ],
)
def test_hostile_members_are_refused_by_name(tmp_path, hostile, message):
    archive = b"".join([member("good.png").tobuf(), hostile.tobuf(), bytes(1024)])
    (tmp_path / "hostile.tar").write_bytes(archive)
    with pytest.raises(DataError, match=message):
        everything(tmp_path / "hostile.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tar"]


def test_an_extended_header_is_not_read_into_memory_on_its_own_word(tmp_path):
    header = member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=8 * 2**30)
    (tmp_path / "bomb.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(DataError, match="at most 16 KiB"):
        everything(tmp_path / "bomb.tar")


def test_an_extended_header_on_which_tarfile_would_work_for_minutes_is_refused(tmp_path):
    # tarfile searches it with patterns that go back over every digit: a header of 1 MiB takes a quarter of an hour
    digits = b"1" * 2**20
    header = member("./@PaxHeader", type=tarfile.XHDTYPE, size=len(digits))
    (tmp_path / "slow.tar").write_bytes(header.tobuf() + digits + member("a.png").tobuf() + bytes(1024))
    with pytest.raises(DataError, match="16 KiB"):
        everything(tmp_path / "slow.tar")


def sparse_archive(path, header: bytes):
    """Write an archive whose list of holes hardly ends: some kilobytes that unpack to much more."""
    with gzip.open(path, "wb", compresslevel=1) as archive:
        archive.write(header)
        for _ in range(64):
            archive.write((b"0\n" * 256) * 2048)
    return path


def test_the_endless_list_of_a_sparse_file_is_not_read(tmp_path):
    records = b"".join(
        b"%d %s" % (len(record) + 3, record)
        for record in (b"GNU.sparse.major=1\n", b"GNU.sparse.minor=0\n", b"GNU.sparse.realsize=9\n")
    )
    header = member("./@PaxHeader", type=tarfile.XHDTYPE, size=len(records)).tobuf() + records.ljust(512, b"\0")
    header += member("a.png", size=2**20).tobuf() + b"9999999\n" + b"0\n" * 252
    old = bytearray(member("b.png", type=tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    old[482] = 1  # the list goes on in the next block
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + 8 * 32 + sum(old[156:]))
    for name, start in (("new.tar.gz", header), ("old.tar.gz", bytes(old))):
        tracemalloc.start()
        with pytest.raises(DataError, match="sparse file"):
            everything(sparse_archive(tmp_path / name, start))
        assert tracemalloc.get_traced_memory()[1] < 2**22
        tracemalloc.stop()


def test_looking_at_an_archive_does_not_unpack_what_its_first_header_declares(tmp_path):
    header = member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=2**28).tobuf(tarfile.GNU_FORMAT)
    with gzip.open(tmp_path / "bomb.tar.gz", "wb", compresslevel=1) as archive:
        archive.write(header)
        for _ in range(64):
            archive.write(bytes(2**22))
    tracemalloc.start()
    assert is_archive(tmp_path / "bomb.tar.gz")  # so that reading it tells what is wrong
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"text", b"x" * 600, gzip.compress(b"text", mtime=0)])
def test_other_files_are_no_archives(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    assert not is_archive(tmp_path / "other")


def test_a_size_from_an_extended_header_is_checked_too(tmp_path):
    with tarfile.open(tmp_path / "pax.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member("a.png", pax_headers={"size": str(2**40)}))
    with pytest.raises(DataError, match=r"'a.png' declaring"):
        everything(tmp_path / "pax.tar")


@pytest.mark.parametrize("keep", [0, 100, 512, 700, 1024, 1200, 1300])
@pytest.mark.parametrize("compress", [False, True])
def test_an_archive_that_is_cut_off_is_never_taken_for_a_whole_one(tmp_path, keep, compress):
    files = {name: random_pixels(name, 20, 10).tobytes() for name in ("a.png", "b.png")}
    whole = write_tar(tmp_path / "whole.tar", files, "w").read_bytes()
    (tmp_path / "cut.tar").write_bytes((gzip.compress(whole) if compress else whole)[:keep])
    with pytest.raises(DataError, match="again"):
        everything(tmp_path / "cut.tar")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 3071), st.integers(0, 255)), max_size=8), st.binary(max_size=600))
def test_damaged_archives_give_files_or_a_data_error(tmp_path, changes, tail):
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(member("é" * 60, size=5), io.BytesIO(b"hello"))
        content = bytearray(buffer.getvalue()[:3072])
    for position, value in changes:
        content[position] = value
    (tmp_path / "damaged.tar").write_bytes(bytes(content) + tail)
    with contextlib.suppress(DataError):
        everything(tmp_path / "damaged.tar")
