"""Folders named for their class: what the paths say, what they leave open, and what could be read in two ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from magsig_tf.data.sources.breakhis import BreakHis
from magsig_tf.data.sources.folders import ImageFolders
from magsig_tf.data.sources.source import choose_source
from magsig_tf.errors import DataError, MagsigError, UsageError
from tests.data.small_images import NAMES

TREE = ("Benign/40X/P1_1.png", "Benign/x100/P1_2.PNG", "malignant/40x/P2_1.tif", "malignant/100X/P2_2.jpg")


def source(folder: Path, names: tuple[str, ...] = TREE, **options) -> ImageFolders:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"content")
    return ImageFolders(folder, options)


def refusal(wanted: type[MagsigError], manifest: ImageFolders) -> str:
    with pytest.raises(wanted) as caught:
        manifest.fingerprint()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_magnification_and_case_are_read_from_the_paths(tmp_path):
    manifest = source(tmp_path, (*TREE, "Benign/40X/.DS_Store", "malignant/notes.txt"), case_from=r"(P\d)_")
    rows = [image.row for image in manifest.images()]
    assert [(row["label"], row["magnification"], row["case"]) for row in rows] == [
        ("benign", "40X", "P1"), ("benign", "x100", "P1"), ("malignant", "100X", "P2"), ("malignant", "40x", "P2"),
    ]  # fmt: skip
    assert [image.content.name for image in manifest.images()] == ["P1_1.png", "P1_2.PNG", "P2_2.jpg", "P2_1.tif"]
    assert manifest.ignored.counts == {"hidden file": 1, ".txt file": 1}
    assert manifest.names()["case"].tolist() == ["P1", "P1", "P2", "P2"]


def test_folders_of_other_words_and_one_magnification(tmp_path):
    names = ("all/normal/P1/1.png", "all/cyst/P2/1.png", "all/tumor/P3/1.png", "all/tumor/P3/2.png")
    words = {
        "labels": "benign=normal|cyst,malignant=Tumor",
        "magnification": "20X",
        "case_from": "(?P<case>[^/]+)/[^/]+$",
    }
    manifest = source(tmp_path, names, **words)
    assert [image.row["label"] for image in manifest.images()] == ["benign", "benign", "malignant", "malignant"]
    assert {image.row["magnification"] for image in manifest.images()} == {"20X"}
    assert [image.row["case"] for image in manifest.images()] == ["P2", "P1", "P3", "P3"]
    for name, value in (
        ("magnification", "10X"),
        ("case_from", "(P.)"),
        ("labels", "benign=normal,malignant=tumor|cyst"),
    ):
        assert source(tmp_path, (), **words | {name: value}).fingerprint() != manifest.fingerprint()


def test_without_a_pattern_it_is_told_why_a_case_matters_with_an_example(tmp_path):
    said = refusal(UsageError, source(tmp_path, ("benign/40X/P01-a_3.png", "malignant/40X/P02-b_1.png")))
    assert "one patient in training and test" in said
    assert "reads 'malignant/40X/P02-b_1.png' as case 'P02'" in said
    each = source(tmp_path / "each", tuple(f"{c}/40X/Q{n}/{n}.png" for n in range(4) for c in ("benign", "malignant")))
    assert "as case 'Q" in refusal(UsageError, each)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("P[0-9]", "which has none"),
        ("(P", "found '(P'"),
        ("(" + "P" * 600 + ")", "603 characters".replace("603", "602")),
    ],
)
def test_a_pattern_that_finds_no_case_is_refused(tmp_path, pattern, words):
    with pytest.raises(UsageError, match="regular expression") as caught:
        source(tmp_path, case_from=pattern)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (("benign/40X/a1.png", "malignant/40X/b.png"), {}, "no case in 1 of 2, among them malignant/40X/b.png"),
        (("benign/40X/malignant/a1.png",), {}, "found two in 'benign/40X/malignant/a1.png'"),
        (("benign/40X/100X/a1.png",), {}, "found 40X and 100X"),
        (("benign/40X/a1.png",), {"magnification": "10X"}, "found 40X and 10X"),
        (("benign/a1.png", "malignant/40X/a2.png"), {}, "no folder such as 40X in 'benign/a1.png'"),
        (("benign/40/a1.png",), {}, "--magnification 20X"),
        (("normal/40X/a1.png", "tumor/40X/a2.png"), {}, "normal (1), tumor (1). Say which is which"),
        (
            ("x/40X/normal/a1.png", "x/40X/cancer/a2.png", "x/40X/cyst/a3.png"),
            {},
            "benign=cyst|normal,malignant=cancer",
        ),
        (("100X/normal/a1.png", "40X/tumor/a2.png"), {}, "normal (1), tumor (1)"),
        (("benign/40X/a1.png", "other/40X/a2.png"), {}, "other (1)"),
        (("benign/40X/a1.png", "a2.png"), {}, "'a2.png' beside those folders"),
    ],
)
def test_what_paths_do_not_say_for_certain_is_refused(tmp_path, names, options, words):
    manifest = source(tmp_path, names, **{"case_from": "a([0-9])", **options})
    assert words in refusal(MagsigError, manifest)


def test_a_number_is_a_class_only_where_no_name_is(tmp_path):
    both = source(tmp_path / "a", ("benign/0/40X/P1.png", "benign/1/40X/P1.png"), case_from="(P.)")
    assert [row["label"] for row in both.rows] == ["benign", "benign"]
    numbers = source(tmp_path / "b", ("0/40X/P1.png", "1/40X/P2.png"), case_from="(P.)")
    assert [row["label"] for row in numbers.rows] == ["benign", "malignant"]


def test_what_may_be_a_mistake_is_said(tmp_path):
    names = ("train/benign/40X/P1_1.png", "test/benign/40X/P1_2.png", "test/malignant/40X/P2_1.png")
    manifest = source(tmp_path, names, case_from="([^/]+)$")
    manifest.fingerprint()
    assert "folders test, train play no part" in manifest.notes[0]
    assert "every image is a case of its own" in manifest.notes[1]


def test_links_to_files_are_followed_and_links_to_folders_named(tmp_path):
    source(tmp_path / "real")
    links = tmp_path / "links" / "benign" / "40X"
    links.mkdir(parents=True)
    (links / "P1_1.png").symlink_to(tmp_path / "real" / TREE[0])
    (links / "P1_9.png").symlink_to(tmp_path / "nowhere")
    (links / "circle").symlink_to(tmp_path / "links")
    manifest = ImageFolders(tmp_path / "links", {"case_from": "(P.)"})
    assert [image.path for image in manifest.images()] == ["benign/40X/P1_1.png", "benign/40X/P1_9.png"]
    assert manifest.notes[0].startswith("2 of the 2 files are links")
    assert "not followed: 1 (benign/40X/circle)" in manifest.notes[1]


def test_the_kind_is_found_and_breakhis_goes_first(tmp_path):
    assert isinstance(choose_source(source(tmp_path / "a").source), ImageFolders)
    assert isinstance(choose_source(source(tmp_path / "b", NAMES).source), BreakHis)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "BreaKHis_v1.tar.gz").touch()
    with pytest.raises(UsageError, match=r"It holds BreaKHis_v1\.tar\.gz: pass that"):
        choose_source(tmp_path / "c")
    with pytest.raises(DataError, match="found none among 1 files"):
        ImageFolders(tmp_path / "c").fingerprint()
