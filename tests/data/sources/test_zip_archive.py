"""Zip archives, archives under another name and archives in archives; what a hostile zip may try is refused."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from pathlib import Path

import pytest

from magsig_tf.data.sources.archive import LARGEST_MEMBER, TarStream, is_archive
from magsig_tf.data.sources.zip_archive import ZipFiles, open_archive
from magsig_tf.errors import DataError
from tests.data.small_images import write_tar

FILES = {"b/2.png": b"two", "a/1.png": b"one" * 50}


def write_zip(path: Path, files: dict[str, bytes], change=lambda member: None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            change(member)
            archive.writestr(member, content)
    return path


def everything(path: Path) -> dict[str, bytes | None]:
    return dict(open_archive(path).files(lambda name: name.endswith(".png")))


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        everything(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_an_archive_is_its_first_bytes_say(tmp_path):
    zipped = write_zip(tmp_path / "data.tar.gz", FILES | {"folder/": b"", "note.txt": b"n"})
    tarred = write_tar(tmp_path / "data.zip", FILES)
    assert isinstance(open_archive(zipped), ZipFiles)
    assert isinstance(open_archive(tarred), TarStream)
    assert is_archive(zipped)
    assert is_archive(tarred)
    assert everything(zipped) == FILES | {"note.txt": None}
    assert everything(tarred) == FILES
    assert open_archive(zipped).fingerprint() != open_archive(tarred).fingerprint()


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_in_an_archive_is_passed_through(tmp_path, monkeypatch, write, mode):
    inner = write_tar(tmp_path / "inner", FILES, mode).read_bytes()
    suffix = {"w": ".tar", "w:gz": ".TGZ", "w:xz": ".tar.xz"}[mode]
    # an archive in the archive may be larger than any picture
    monkeypatch.setattr("magsig_tf.data.sources.archive.LARGEST_MEMBER", 200)
    monkeypatch.setattr("magsig_tf.data.sources.zip_archive.LARGEST_MEMBER", 200)
    outer = write(tmp_path / "outer", {"c.png": b"three", f"x/inner{suffix}": inner})
    assert everything(outer) == {"c.png": b"three"} | FILES
    # one deep: an archive in the inner one is a file like others
    deep = write_tar(
        tmp_path / "deep", {"inner.tar": write_tar(tmp_path / "i", {"z.tar": b"z"}, "w").read_bytes()}, "w"
    )
    monkeypatch.undo()
    assert everything(deep) == {"z.tar": None}


def test_names_of_windows_have_backslashes(tmp_path):
    assert everything(write_zip(tmp_path / "a.zip", {"b\\2.png": b"two"})) == {"b/2.png": b"two"}


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("/etc/x.png", 0, "'/etc/x.png'"),
        ("a/../../x.png", 0, "x.png"),
        ("..\\x.png", 0, "x.png"),
        ("link.png", stat.S_IFLNK, "a link, 'link.png'"),
        ("pipe.png", stat.S_IFIFO, "a device or pipe, 'pipe.png'"),
        ("x\x1b[31m.png", stat.S_IFLNK, "\\x1b"),
    ],
)
def test_hostile_members_are_refused_by_name(tmp_path, name, mode, words):
    def change(member):
        member.external_attr = (mode | 0o644) << 16

    assert words in refusal(write_zip(tmp_path / "a.zip", {name: b"x"}, change))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"2")
    assert "'a.png' twice" in refusal(tmp_path / "a.zip")


def altered(path: Path, field: int, value: bytes, tmp_path: Path) -> Path:
    """Return a copy of a zip of one member with bytes of its directory entry replaced."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + field
    content[at : at + len(value)] = value
    (tmp_path / "altered.zip").write_bytes(content)
    return tmp_path / "altered.zip"


def test_what_a_zip_declares_is_checked_before_it_is_expanded(tmp_path):
    plain = write_zip(tmp_path / "a.zip", {"a.png": b"x" * 100})
    huge = altered(plain, 24, (LARGEST_MEMBER + 1).to_bytes(4, "little"), tmp_path)
    assert "declaring 67,108,865 bytes" in refusal(huge)
    many = write_zip(tmp_path / "b.zip", {f"{number}.png": bytes(2**20) for number in range(4)})
    assert "at most 200 times the bytes" in refusal(many)
    locked = altered(plain, 8, b"\x01\x00", tmp_path)
    assert "without a password" in refusal(locked)
    # no bomb, whatever else is in it
    other = write_zip(tmp_path / "c.zip", {"a.png": b"x", "notes.txt": bytes(2**20)})
    assert everything(other) == {"a.png": b"x", "notes.txt": None}


def test_a_damaged_zip_and_one_that_is_packed_otherwise_are_refused(tmp_path):
    plain = write_zip(tmp_path / "a.zip", {"a.png": b"x" * 100})
    assert "packed" not in refusal(altered(plain, 10, b"\x63\x00", tmp_path))
    assert "Unpack it" in refusal(altered(plain, 10, b"\x09\x00", tmp_path))
    assert "Download it again" in refusal(altered(plain, 16, b"abcd", tmp_path))
    content = plain.read_bytes()
    for end in (len(content) - 5, 40, 10):
        (tmp_path / "cut.zip").write_bytes(content[:end])
        assert "Download it again" in refusal(tmp_path / "cut.zip")


@pytest.mark.parametrize(("start", "kind"), [(b"Rar!\x1a\x07\x01\x00", "RAR"), (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z")])
def test_other_archives_are_refused_by_name(tmp_path, start, kind):
    (tmp_path / "BreaKHis.zip").write_bytes(start + bytes(100))
    assert is_archive(tmp_path / "BreaKHis.zip")
    with pytest.raises(DataError, match=f"found a {kind} archive"):
        open_archive(tmp_path / "BreaKHis.zip")


def test_any_change_of_a_byte_is_a_whole_archive_or_a_refusal(tmp_path):
    plain = write_zip(tmp_path / "a.zip", {"a.png": b"abc" * 20, "b.png": b"d"}).read_bytes()
    for at in range(0, len(plain), 3):
        changed = bytearray(plain)
        changed[at] ^= 0x55
        (tmp_path / "changed.zip").write_bytes(changed)
        with contextlib.suppress(DataError):
            assert set(everything(tmp_path / "changed.zip").values()) <= {b"abc" * 20, b"d", None}
