"""NPZ files from anywhere: what they declare is added up before anything is expanded."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from magsig_tf import npz_files
from magsig_tf.errors import MagsigError
from magsig_tf.npz_files import NpzError, ObjectsError, map_npy, map_npz, names_in_npz, npz_blocks, read_npz


def npy(array: np.ndarray, **said) -> bytes:
    """Return a .npy file of an array, whose header may say something else."""
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | said
    text = repr(header).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()


def zipped(path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "éé"]), "c": np.array(7), "none": np.zeros((0, 4))}
    save(tmp_path / "a.npz", **arrays, turned=np.asfortranarray(np.arange(6).reshape(2, 3)))
    read = read_npz(tmp_path / "a.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
    assert read["turned"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert list(read_npz(tmp_path / "a.npz", ("b", "absent", "a"))) == ["b", "a"]
    assert names_in_npz(tmp_path / "a.npz") == ["a", "b", "c", "none", "turned"]


def bomb(path):
    """Write 256 MiB of zeros in a quarter of a MiB."""
    header = npy(np.zeros(0, np.float32), shape=(2**26,))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("embedding.npy", "w") as stream:
        stream.write(header)
        for _ in range(256):
            stream.write(bytes(2**20))
    return path


def test_a_bomb_is_refused_before_it_grows(tmp_path):
    path = bomb(tmp_path / "a.npz")
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(NpzError, match=r"'embedding' would grow [0-9,]+-fold to 256 MiB"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_arrays_that_do_not_fit_into_memory_are_no_damage(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=np.zeros(2**18))
    monkeypatch.setattr(npz_files, "available_memory", lambda: 2**20)
    with pytest.raises(MagsigError, match=r"3 MiB of free memory .*found 1 MiB"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a.npy": npy(np.zeros(3), shape=(10**12,))}, "declares 8,000,000,000,000 bytes and its zip entry 24"),
        ({"a.npy": npy(np.zeros(3), shape=(2,))}, "declares 16 bytes and its zip entry 24"),
        ({"a.npy": npy(np.zeros(3), shape=(-3,))}, "shape"),
        ({"a.npy": npy(np.zeros(3), descr="|O")}, "pickle"),
        ({"a.npy": npy(np.zeros(3), descr=[("x", "<f8")])}, "objects"),
        ({"a.npy": b"\x93NUMPY\x01\x00\xff\xff" + bytes(70000)}, "a header of 65,535 bytes"),
        ({"a.npy": b"text"}, "no NPY array"),
        ({"a.npy": npy(np.zeros(3)), "a": npy(np.zeros(3))}, "twice"),
    ],
)
def test_what_is_not_as_declared_is_refused(tmp_path, members, said):
    with pytest.raises(NpzError, match=said):
        read_npz(zipped(tmp_path / "a.npz", members))


def test_an_unwanted_member_is_not_looked_into(tmp_path):
    path = zipped(tmp_path / "a.npz", {"a.npy": npy(np.arange(3)), "odd": b"text"})
    assert read_npz(path, ("a",))["a"].tolist() == [0, 1, 2]


def test_other_ways_to_compress_have_no_bound_and_are_refused(tmp_path):
    with pytest.raises(NpzError, match="another way"):
        read_npz(zipped(tmp_path / "a.npz", {"a.npy": npy(np.zeros(3))}, zipfile.ZIP_LZMA))


def test_a_flipped_bit_is_noticed(tmp_path):
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(1000))
    content = bytearray(stream.getvalue())
    content[4000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(NpzError, match="CRC"):
        read_npz(tmp_path / "a.npz")


def test_no_zip_is_said_to_be_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(NpzError, match="single array"):
        read_npz(tmp_path / "a.npy")
    (tmp_path / "b.npz").write_bytes(b"text")
    with pytest.raises(NpzError, match="zip"):
        names_in_npz(tmp_path / "b.npz")
    with pytest.raises(OSError, match="none"):
        read_npz(tmp_path / "none.npz")


def test_an_array_that_lies_uncompressed_is_mapped_and_another_is_read_in_blocks(tmp_path):
    values = np.arange(60.0).reshape(10, 6)
    np.savez(tmp_path / "plain.npz", first=values[:2], x=values, turned=np.asfortranarray(values))
    np.savez_compressed(tmp_path / "packed.npz", x=values, turned=np.asfortranarray(values))
    for name in ("x", "turned"):
        mapped = map_npz(tmp_path / "plain.npz", name)
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, values)
    assert map_npz(tmp_path / "packed.npz", "x") is None
    blocks = list(npz_blocks(tmp_path / "packed.npz", "x", (20, 3), 7))
    assert [len(block) for block in blocks] == [7, 7, 6]
    np.testing.assert_array_equal(np.concatenate(blocks), values.reshape(20, 3))
    with pytest.raises(NpzError, match="Fortran"):
        list(npz_blocks(tmp_path / "packed.npz", "turned", (10, 6), 7))


def test_a_mapped_array_that_was_changed_or_cut_is_refused(tmp_path):
    values = np.arange(60_000.0).reshape(10_000, 6)
    np.savez(tmp_path / "x.npz", x=values)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(bytes(content))
    with pytest.raises(NpzError, match="checksum"):
        map_npz(tmp_path / "x.npz", "x")
    np.save(tmp_path / "x.npy", values)
    np.testing.assert_array_equal(map_npy(tmp_path / "x.npy"), values)
    content = (tmp_path / "x.npy").read_bytes()
    for changed in (content[:-1], content + b"\0", content[:20], b"", b"\x93NUMPY\x01\x00\xff\xff" + bytes(100)):
        (tmp_path / "x.npy").write_bytes(changed)
        with pytest.raises(NpzError):
            map_npy(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ObjectsError):
        map_npy(tmp_path / "x.npy")
