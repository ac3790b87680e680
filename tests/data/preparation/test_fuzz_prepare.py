"""Untrusted bytes through the whole of `magsig prepare`: an error in one line or a whole data set, nothing else.

`pytest -m slow --hypothesis-profile long` tries fifty times as many examples.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import lzma
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from magsig_tf.cli.main import main
from magsig_tf.data.prepared import PreparedDataset
from tests.data.small_images import png, random_pixels
from tests.data.whole_dataset import check_whole

pytestmark = pytest.mark.slow
bounded = settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

IMAGES = [png("a"), png("b"), png("c", "L"), png("d", "RGBA"), b"", b"no image", png("e")[:-90]]
GOOD_NAMES = [f"SOB_{'BM'[case % 2]}_A-14-{case}-{zoom}-001.png" for case in range(6) for zoom in (40, 100)]
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder in which examples get folders of their own."""
    return tmp_path_factory.mktemp("fuzz")


def prepare_in(folder: Path, source: str) -> tuple[int, str]:
    """Run `magsig prepare` in a folder; check everything that holds whatever the source is."""
    before = listing(folder)
    words = ["prepare", "--source", str(folder / source), "--size", "8", "--workers", "1"]
    errors = io.StringIO()
    with (
        pytest.raises(SystemExit) as left,
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        main([*words, "--workspace", str(folder / "w")])
    code, said = left.value.code, errors.getvalue()
    assert code in (0, 1, 2)
    assert "Error: unexpected" not in said
    assert "Traceback" not in said
    assert sum("Error: " in line for line in said.splitlines()) == (code != 0)
    assert listing(folder) == before
    written = [path for path in (folder / "w").rglob("*") if path.is_file()] if (folder / "w").exists() else []
    if code:
        assert written == []
    else:
        (name,) = {path.parent.name for path in written}
        check_whole(PreparedDataset.open(folder / "w" / "data" / name))
        whole = {"checksums.json", "copies.csv", "dataset.json", "images.npy", "manifest.parquet"}
        assert {path.name for path in written} == whole
    event(f"exit {code}")
    return code, said


def listing(folder: Path) -> list[tuple[str, int]]:
    """Return names and times of everything beside the workspace."""
    paths = sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] != "w")
    return [(str(path), path.lstat().st_mtime_ns) for path in paths]


def folder_of_its_own(room: Path) -> Path:
    folder = room / str(next(_NUMBERS))
    folder.mkdir()
    return folder


file_names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
usual_names = st.sampled_from(GOOD_NAMES)


@bounded
@given(st.dictionaries(file_names | usual_names, st.sampled_from(IMAGES) | st.binary(max_size=100), max_size=8))
def test_folders(room, files):
    folder = folder_of_its_own(room)
    (folder / "tree").mkdir()
    for name, content in files.items():
        if name not in (".", "..") and len(os.fsencode(name)) < 256:
            (folder / "tree" / name).write_bytes(content)
    prepare_in(folder, "tree")


@bounded
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from(IMAGES)), max_size=4))
def test_folders_with_names_in_no_encoding(room, files):
    folder = folder_of_its_own(room)
    (folder / "tree").mkdir()
    for name, content in files:
        name = name.replace(b"/", b"_").replace(b"\0", b"_")
        if name not in (b".", b".."):
            with open(os.path.join(os.fsencode(folder / "tree"), name), "wb") as file:
                file.write(content)
    (folder / "tree" / GOOD_NAMES[0]).write_bytes(IMAGES[0])
    prepare_in(folder, "tree")


words = (
    "path label magnification case slide cohort width subtype sha256 a.png b.png ../a.png /etc/passwd "
    "0 1 benign test 40X 10x p1 p2 é NaN =1+1"
)
fields = st.sampled_from([*words.split(), "", " ", '"', "a\nb"]) | st.text(max_size=8)
tables = st.lists(st.lists(fields, min_size=1, max_size=7), max_size=6)


@bounded
@given(tables | st.binary(max_size=300), st.booleans())
def test_csv_manifests(room, table, with_header):
    folder = folder_of_its_own(room)
    for number, image in enumerate(IMAGES[:2]):
        (folder / f"{'ab'[number]}.png").write_bytes(image)
    header = "path,label,magnification,case\n" if with_header else ""
    text = table if isinstance(table, bytes) else "\n".join(",".join(row) for row in table).encode(errors="replace")
    (folder / "set.csv").write_bytes(header.encode() + text)
    prepare_in(folder, "set.csv")


rows = st.tuples(
    st.sampled_from(["a.png", "b.png", "./a.png", "none.png", "sub/a.png", "."]),
    st.sampled_from(["0", "1", "benign", "MALIGNANT"]),
    st.sampled_from(["10x", "20x", "x", "1e3"]) | st.text(max_size=5),
    st.sampled_from(["p1", "p2", "p3"]) | st.text(max_size=5),
    st.text(max_size=5),
)


@bounded
@given(st.lists(rows, min_size=1, max_size=5, unique_by=lambda row: row[0]), st.text(max_size=12))
def test_csv_manifests_that_are_nearly_right(room, rows, column):
    folder = folder_of_its_own(room)
    (folder / "sub").mkdir()
    for name in ("a.png", "b.png", "sub/a.png"):
        (folder / name).write_bytes(png(name))
    with open(folder / "set.csv", "w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["path", "label", "magnification", "case", column], *rows])
    prepare_in(folder, "set.csv")


members = st.builds(
    dict,
    name=usual_names | st.text(max_size=30).map(lambda text: text.replace("\0", "_")),
    type=st.sampled_from(
        [tarfile.REGTYPE] * 6 + [b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"K", b"x", b"g", b"S", b"\0"]
    ),
    content=st.sampled_from(IMAGES) | st.binary(max_size=700),
    declared=st.none() | st.integers(0, 2**36),
    linkname=st.sampled_from(["", "/etc/passwd", "../x"]),
)


@bounded
@given(
    st.lists(members, max_size=5),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=3),
    st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]),
    st.none() | st.integers(0, 3000),
)
def test_archives(room, members, changes, compress, keep):
    folder = folder_of_its_own(room)
    content = bytearray()
    for member in members:
        header = tarfile.TarInfo(member["name"])
        header.type, header.linkname = member["type"], member["linkname"]
        header.size = len(member["content"]) if member["declared"] is None else member["declared"]
        content += header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        content += member["content"] + bytes(-len(member["content"]) % 512)
    content += bytes(1024)
    for position, value in changes:
        content[position % len(content)] = value
    (folder / "set.tar").write_bytes(compress(bytes(content))[:keep])
    prepare_in(folder, "set.tar")


@bounded
@given(
    st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    st.none() | st.integers(0, 2000),
)
def test_images(room, kind, changes, keep):
    buffer = io.BytesIO()
    Image.fromarray(random_pixels("fuzz")).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for position, value in changes:
        content[position % len(content)] = value
    folder = folder_of_its_own(room)
    (folder / "a.png").write_bytes(bytes(content[:keep]))
    (folder / "set.csv").write_text("path,label,magnification,case\na.png,0,10x,p\n")
    prepare_in(folder, "set.csv")
