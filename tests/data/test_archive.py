from __future__ import annotations

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magsig_tf.data.archive import LARGEST_MEMBER, TarStream
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
        (member("dev.png", type=tarfile.CHRTYPE), "a device, pipe or sparse file, 'dev.png'"),
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
    with pytest.raises(DataError, match="at most 1 MiB"):
        everything(tmp_path / "bomb.tar")


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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
