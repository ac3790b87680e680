"""Manifests as people bring them: their columns and labels, and paths that another system or program wrote."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from magsig_tf.data.sources.csv_manifest import CsvManifest
from magsig_tf.errors import DataError, MagsigError, UsageError

HEADER = "path,label,magnification,case\n"


def source(folder: Path, text: str | bytes, files: tuple[str, ...] = (), **options) -> CsvManifest:
    """Return the source of a table, beside empty files."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "tiles.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return CsvManifest(folder / "tiles.csv", options)


def refusal(wanted: type[MagsigError], do) -> str:
    with pytest.raises(wanted) as caught:
        do()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def paths(manifest: CsvManifest) -> list[str]:
    found = list(manifest.images())
    assert all(image.content.is_file() for image in found)
    return [image.path for image in found]


def test_a_table_of_another_project_is_read_with_its_own_words(tmp_path):
    text = "Bild;Diagnose;Vergr;Patient;label\na.png;Tumor ;40x;p1;old\nb.png;NORMAL;40x;p2;old\nc.png;Zyste;40x;p3;x\n"
    columns = "path=Bild,label=Diagnose,magnification=Vergr,case=Patient"
    files = ("a.png", "b.png", "c.png")
    manifest = source(tmp_path, text, files, columns=columns, labels="benign=normal|zyste|rare,malignant=tumor")
    assert paths(manifest) == list(files)
    assert manifest.table["label"].tolist() == ["malignant", "benign", "benign"]
    assert manifest.table["csv_label"].tolist() == ["old", "old", "x"]
    said = " ".join(manifest.notes)
    for words in ("with semicolons", "column Diagnose as label", "no image has the label rare"):
        assert words in said
    # what was chosen tells one preparation from another; how it was written does not
    same = source(tmp_path, text, files, columns=columns, labels="malignant=tumor,benign=zyste,benign=rare|normal")
    other = source(tmp_path, text, files, columns=columns, labels="benign=normal,malignant=tumor|zyste|rare")
    assert manifest.fingerprint() == same.fingerprint() != other.fingerprint()


def test_without_choices_the_fingerprint_is_that_of_earlier_versions(tmp_path):
    manifest = source(tmp_path, HEADER + "a.png,0,40X,1\n", ("a.png",))
    assert set(manifest.fingerprint()) == {"csv_sha256", "images", "listing_sha256"}


def test_labels_as_numbers_of_a_spreadsheet(tmp_path):
    rows = "".join(f"{number};{label};4;{number}\n" for number, label in enumerate(["0.0", "1,0", "1.00", " 0", "1"]))
    manifest = source(tmp_path, HEADER.replace(",", ";") + rows)
    assert manifest.table["label"].map({"benign": 0, "malignant": 1}).tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["adenoma", "cyst", "carcinoma", "adenoma"],
         ("adenoma (2), cyst (1), carcinoma (1)", "two classes", '"benign=adenoma|cyst,malignant=carcinoma"')),
        (["healthy", "tumour"], ("Say which is which", "--labels benign=healthy,malignant=tumour")),
        (["benign", "malignnt"], ("'malignnt' in line 3", "correct the label")),
        (["benign", ""], ("found '' in line 3", "Fill in the column label")),
        (["0", "2"], ("found '2' in line 3",)),
        (["0.5"], ("found '0.5' in line 2",)),
    ],
)  # fmt: skip
def test_labels_that_are_not_known_are_listed_with_an_example(tmp_path, labels, words):
    rows = "".join(f"{number}.png,{label},4,{number}\n" for number, label in enumerate(labels))
    said = refusal(DataError, lambda: source(tmp_path, HEADER + rows).table)
    for each in words:
        assert each in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": "good=a,bad=b"}, "benign or malignant"),
        ({"labels": "benign=a|b,malignant=B"}, "'b' for both"),
        ({"labels": "benign"}, "--labels OURS=THEIRS"),
        ({"columns": "case=A,case=B"}, "'case' twice"),
        ({"columns": "cases=A"}, "Did you mean 'case'"),
        ({"column": "case=A"}, "'column'"),
    ],
)
def test_choices_that_mean_nothing_are_refused(tmp_path, options, words):
    assert words in refusal(UsageError, lambda: source(tmp_path, HEADER + "a,0,4,1\n", **options).table)


def test_theirs_may_hold_commas(tmp_path):
    text = 'path,"Diagnosis, final",magnification,"Case, ID"\na,"cyst, large",4,1\nb,tumor,4,2\n'
    manifest = source(
        tmp_path, text, columns="label=Diagnosis, final,case=Case, ID", labels="benign=cyst, large,malignant=tumor"
    )
    assert manifest.table["label"].tolist() == ["benign", "malignant"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a\\b 1.png", "1 of 1 paths with \\ read as /"),
        (".\\a\\b 1.png", "1 of 1 paths with \\ read as /"),
        ("{folder}/a/b 1.png", "absolute, and below the CSV's folder"),
        ("file://{folder}/a/b%201.png", "their address (file://)"),
    ],
)
def test_a_path_that_means_one_file_is_read_and_said(tmp_path, written, said):
    manifest = source(tmp_path, HEADER + f"{written.format(folder=tmp_path)},0,4,1\n", ("a/b 1.png",))
    assert paths(manifest) == ["a/b 1.png"]
    assert said in " ".join(manifest.notes)


def test_a_backslash_that_is_part_of_a_name_stays(tmp_path):
    assert paths(source(tmp_path, HEADER + "a\\b.png,0,4,1\n", ("a\\b.png", "a/b.png"))) == ["a\\b.png"]


def test_an_absolute_path_through_a_link_to_the_folder_is_below_it(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert paths(source(tmp_path / "data", HEADER + f"{tmp_path}/link/a.png,0,4,1\n", ("a.png",))) == ["a.png"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_in_another_normal_form_is_found(tmp_path, form):
    there, written = (unicodedata.normalize(each, "é/ü.png") for each in (form, "NFC" if form == "NFD" else "NFD"))
    manifest = source(tmp_path, HEADER + f"{written},0,4,1\n", (there,))
    assert len(paths(manifest)) == 1
    assert "another Unicode normal form" in " ".join(manifest.notes)
    both = source(tmp_path, HEADER + "ö.png,0,4,1\n", tuple(unicodedata.normalize(f, "ö.png") for f in ("NFC", "NFD")))
    assert paths(both) == ["ö.png"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("C:\\data\\a.png", "another machine (Windows)"),
        ("c:/data/a.png", "another machine (Windows)"),
        ("file:///C:/data/a.png", "another machine (Windows)"),
        ("\\\\server\\a.png", "another machine (Windows)"),
        ("https://example.org/a.png", "Nothing is fetched"),
        ("file://server/a.png", "Nothing is fetched"),
        ("s3://bucket/a.png", "Nothing is fetched"),
        ("/elsewhere/a.png", "Place the CSV"),
        ("{folder}/../a.png", "Place the CSV"),
        ("..\\a.png", "Place the CSV"),
        ("file://{folder}/%1ba.png", "below the CSV's folder"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_with_its_line(tmp_path, written, words):
    said = refusal(DataError, lambda: source(tmp_path, HEADER + f"{written.format(folder=tmp_path)},0,4,1\n").table)
    assert words in said
    assert "in line 2" in said


@pytest.mark.parametrize(
    "front", ["/", "\\", "/home/somebody/study/", "C:\\study\\", "c:/study/", "\\\\server\\share\\"]
)
def test_an_absolute_path_of_another_machine_says_what_to_cut_off(tmp_path, front):
    table = source(tmp_path, HEADER + f"{front}img/a.png,0,4,1\n", ("img/a.png",))
    said = refusal(DataError, lambda: table.table)
    assert (
        f"'img/a.png' is there: write the paths without {front.replace(chr(92), '/') if front == chr(92) else front} in"
        in said
    )


@pytest.mark.parametrize(
    ("written", "there", "words"),
    [
        ("img/A1.png", "Img/a1.PNG", ("On disk it is 'Img/a1.PNG'", "capitals")),
        ("a1.png", "data/img/a1.png", ("It lies in data/img/", "place the CSV there")),
        ("old/disk/img/a1.png", "img/a1.png", ("as 'img/a1.png'", "without old/disk/")),
        ("img/a1.png", "../img/a1.png", ("It lies below ", "place the CSV there")),
        ("img/a1.png", "img/a1.tif", ("the ending .tif",)),
        ("img/a1", "img/a1.png", ("the ending .png",)),
        ("x/a1.png", "y/a1.png", ("A file of that name is 'y/a1.png'",)),
        ("x/a1.png", "y/b.png", ("No file of these names",)),
    ],
)
def test_the_reason_is_named_where_all_files_are_missing(tmp_path, written, there, words):
    (tmp_path / "study").mkdir()
    manifest = source(tmp_path / "study", HEADER + f"{written},0,4,1\n{written}.x,1,4,2\n", (there,))
    said = refusal(DataError, lambda: list(manifest.images()))
    for each in ("found 2 of 2 missing", repr(written), *words):
        assert each in said
    assert "emove" not in said


def test_a_few_missing_files_are_left_to_be_listed(tmp_path):
    rows = "".join(f"{number}.png,0,4,1\n" for number in range(40))
    manifest = source(tmp_path, HEADER + rows, tuple(f"{number}.png" for number in range(39)))
    assert len(list(manifest.images())) == 40
