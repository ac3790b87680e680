"""Bad sources for `magsig prepare`: refused in one line, or left out and counted; nothing half-written stays.

Covered elsewhere, and not repeated here:
- sources that do not exist or that nothing recognises, slips in options: test_prepare.py,
  tests/data/preparation/test_prepare.py
- names that would draw on the terminal: test_prepare.py
- each way in which an archive is hostile, cut off or damaged: tests/data/sources/test_archive.py
- each slip in a CSV, such as wrong separators, encodings, paths outside its folder:
  tests/data/sources/test_csv_manifest.py
- each kind of image that is converted or unreadable: tests/data/sources/test_images.py
- a damaged prepared data set: tests/data/preparation/test_prepare.py; interruption:
  tests/data/preparation/test_prepare_killed.py
- anything at all: tests/data/preparation/test_fuzz_prepare.py
"""

import json
import os
import tarfile

import pytest

from tests.cli.command_line import files, magsig, refused
from tests.data.small_images import breakhis_files, png, write_tree
from tests.data.sources.test_archive import member
from tests.data.sources.test_images import bomb, sixteen_bit_colour_png

NAMES = tuple(f"b/SOB_B_A-14-{case}-40-001.png" for case in range(1000, 1040))
HEADER = b"path,label,magnification,case\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    return tmp_path


def prepare(source: str, *words: str):
    return magsig("prepare", "--source", source, "--size", "8", "--workers", "1", *words)


GOOD_MEMBER = member(NAMES[0], size=len(png("a"))).tobuf() + png("a") + bytes(-len(png("a")) % 512)
HOSTILE = {
    "absolute name": (member("/etc/x.png"), "found '/etc/x.png'"),
    "name that climbs": (member("a/../../x.png"), "found 'a/../../x.png'"),
    "symbolic link": (member("x.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "found a link, 'x.png'"),
    "hard link": (member("x.png", type=tarfile.LNKTYPE, linkname=NAMES[0]), "found a link, 'x.png'"),
    "character device": (member("x.png", type=tarfile.CHRTYPE), "found a device or pipe, 'x.png'"),
    "block device": (member("x.png", type=tarfile.BLKTYPE), "found a device or pipe, 'x.png'"),
    "pipe": (member("x.png", type=tarfile.FIFOTYPE), "found a device or pipe, 'x.png'"),
    "huge member": (member("x.png", size=2**33), "declaring 8,589,934,592 bytes"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_archive_is_refused_after_its_good_images_too(here, hostile):
    header, said = HOSTILE[hostile]
    (here / "set.tar").write_bytes(GOOD_MEMBER + header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(prepare("set.tar"), 1, said, "Use an archive of plain files")
    assert files(here) == ["set.tar"]


def test_an_archive_that_is_cut_off_leaves_nothing(here):
    (here / "set.tar").write_bytes(GOOD_MEMBER + member(NAMES[1], size=3000).tobuf() + b"some")
    refused(prepare("set.tar"), 1, "damaged or cut off", "Download it again")
    assert files(here) == ["set.tar"]


TABLES = {
    "missing columns": (b"path,label\na.png,0\n", "found no magnification and no case among path, label"),
    "path twice": (HEADER + b"a.png,0,5x,1\na.png,0,5x,1\n", "found 'a.png' twice"),
    "case with two labels": (HEADER + b"a.png,0,5x,p\nb.png,1,5x,p\n", "found case 'p' with 'benign' and 'malignant'"),
    "case in two cohorts": (
        HEADER.replace(b"case", b"case,cohort") + b"a.png,0,5x,p,test\nb.png,0,5x,p,\n",
        "found case 'p' with 'development' and 'test'",
    ),
    "unknown label": (HEADER + b"a.png,2,5x,1\n", "found '2' in line 2"),
    "missing image": (
        HEADER + b"gone.png,0,5x,1\n",
        "among them 'gone.png'. No file of these names lies below that folder",
    ),
    "itself as image": (HEADER + b"set.csv,0,5x,1\n", "set.csv (no image of a known format"),
}


@pytest.mark.parametrize("slip", TABLES)
def test_a_csv_with_a_slip_is_refused(here, slip):
    table, said = TABLES[slip]
    write_tree(here, {"set.csv": table, "a.png": png("a"), "b.png": png("b")})
    refused(prepare("set.csv"), 1, said)
    assert files(here) == ["a.png", "b.png", "set.csv"]


def test_images_that_cannot_be_read_are_left_out_and_said(here):
    files_here = breakhis_files(NAMES)
    files_here |= {NAMES[3]: b"no image", NAMES[4]: png("a")[:-200]}
    write_tree(here / "tree", files_here)
    answer = prepare("tree", "--json")
    assert answer.code == 0, answer.errors
    report = json.loads(answer.out)["report"]
    assert {entry["path"].split("-")[2]: entry["reason"] for entry in report["unreadable"]["files"]} == {
        "1003": "no image of a known format (PNG, JPEG, TIFF, BMP, WebP)",
        "1004": report["unreadable"]["files"][1]["reason"],
    }
    assert report["images"] == 38


@pytest.mark.parametrize("content", [b"", b"no image", png("a")[:-200], bomb()], ids=["empty", "text", "cut", "bomb"])
def test_a_data_set_of_nothing_else_is_refused(here, content):
    write_tree(here / "tree", {NAMES[0]: content})
    refused(prepare("tree"), 1, "at most 5% unreadable images, found 1 of 1", "Replace these files")
    assert files(here) == [f"tree/{NAMES[0]}"]


def test_a_bomb_among_many_is_left_out_and_odd_images_are_converted_and_counted(here):
    files_here = breakhis_files(NAMES)
    files_here |= {NAMES[0]: bomb(), NAMES[1]: sixteen_bit_colour_png(), NAMES[2]: png("a", "L")}
    files_here |= {NAMES[3]: png("a", "RGBA"), "b/picture.png": png("b"), "b/SOB_X_A-14-1-40-001.png": png("c")}
    write_tree(here / "tree", files_here)
    answer = prepare("tree", "--json")
    assert answer.code == 0, answer.errors
    report = json.loads(answer.out)["report"]
    converted = {quirk["quirk"]: quirk["count"] for quirk in report["quirks"] if "converted" in quirk["quirk"]}
    assert converted == {f"images converted to 8-bit RGB from {kind}": 1 for kind in ("16-bit", "alpha", "grey")}
    assert [entry["path"] for entry in report["unreadable"]["files"]] == [NAMES[0]]
    assert report["ignored"] == [
        {
            "what": "image whose name does not follow the pattern",
            "count": 2,
            "examples": ["b/SOB_X_A-14-1-40-001.png", "b/picture.png"],
        }
    ]


@pytest.mark.parametrize("kind", ["breakhis", "csv"])
def test_a_pipe_is_not_waited_for(here, kind):
    os.mkfifo(here / "pipe")
    refused(prepare("pipe", "--kind", kind), 1, "found no file", "Check --source")
    assert files(here) == ["pipe"]


def test_a_workspace_that_is_a_file_is_refused(here):
    write_tree(here, {"tree/" + NAMES[0]: png("a"), "w": b"mine"})
    answer = prepare("tree", "--workspace", "w")
    assert answer.code == 2
    assert "'w' is a file" in answer.error
    assert (here / "w").read_bytes() == b"mine"


def test_a_name_that_is_no_folder_name_is_refused(here):
    write_tree(here / "tree", {NAMES[0]: png("a")})
    for name in ("../x", "", ".preparing", "a/b"):
        refused(prepare("tree", "--name", name), 2, f"found {name!r}", "Pass another --name")
    assert files(here) == [f"tree/{NAMES[0]}"]
