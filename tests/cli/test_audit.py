"""`magsig audit`: planted leaks in splits of every form are found, and nothing is found where nothing leaks."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.cli.command_line import magsig, refused
from tests.data.small_images import png, write_tree

CASES = {"train": ("a1", "a2", "b1", "b2"), "val": ("a3", "b3"), "test": ("a4", "b4")}


def rows(parts=CASES):
    """Yield path, part, case, label and magnification of two images a case."""
    for part, cases in parts.items():
        for case in cases:
            for magnification in ("10X", "20X"):
                label = "benign" if case.startswith("a") else "malignant"
                yield f"img/{case}-{magnification}.png", part, case, label, magnification


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with pictures of every case and the table of a split that leaks nothing."""
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path, {path: png(path) for path, *_ in rows()})
    frame = pd.DataFrame(rows(), columns=["path", "part", "case", "label", "magnification"])
    frame.to_csv("split.csv", index=False)
    return tmp_path


def changed(**columns):
    """Write the split again with other columns."""
    frame = pd.read_csv("split.csv").assign(**columns)
    frame.to_csv("changed.csv", index=False)
    return frame


def audit(*words):
    answer = magsig("audit", *words, "--workers", "1", "--json")
    assert answer.code in (0, 1), answer.errors
    said = json.loads(answer.out)
    assert said["leaks"] == (answer.code == 1)
    return said


def found(said, state):
    return {each["rule"]: each for each in said["findings"] if each["state"] == state}


def test_a_split_that_keeps_patients_and_pictures_apart_exits_with_0(here):
    said = audit("split.csv")
    assert said["verdict"] == "no leak found"
    assert {each["rule"]: each["state"] for each in said["findings"]} == dict.fromkeys(
        ("cases", "files", "copies"), "clean"
    )
    assert said["counts"][0] == {
        "fold": "", "side": "train", "label": "benign", "magnification": "10X", "images": 2, "cases": 2,
    }  # fmt: skip


def test_a_case_on_two_sides_is_named_with_the_share_of_test_images(here):
    frame = changed()
    frame.loc[frame["path"] == "img/a4-20X.png", "part"] = "train"
    frame.to_csv("changed.csv", index=False)
    leak = found(audit("changed.csv"), "leak")["cases"]
    assert leak["sentence"] == "1 of 8 cases are on two sides: 1 of 3 (33.3 %) test images are of cases that train"
    assert leak["examples"] == ["a4: 1 in train, 1 in test"]


def test_the_same_in_words_with_a_verdict(here):
    frame = changed()
    frame.loc[frame["path"] == "img/b3-10X.png", "part"] = "TRAIN"
    frame.to_csv("changed.csv", index=False)
    answer = magsig("audit", "changed.csv", "--no-pictures")
    assert answer.code == 1
    assert "LEAK        1 of 8 cases are on two sides: 1 of 3 (33.3 %) validation images" in answer.out
    assert "not checked pictures were not compared: --no-pictures" in answer.out
    assert "Verdict: leaks." in answer.out


def copied(change):
    """Put a changed picture of a training case where a test case's is."""
    source = Image.fromarray(np.asarray(Image.open("img/a1-10X.png")))
    change(source).save("img/a4-10X.png")


@pytest.mark.parametrize(
    "change",
    [lambda p: p, lambda p: p.convert("RGBA"), lambda p: p.transpose(Image.Transpose.ROTATE_90)],
    ids=["the same", "saved anew", "turned"],
)
def test_one_picture_on_two_sides_under_two_names_leaks(here, change):
    copied(change)
    leak = found(audit("split.csv"), "leak")
    assert list(leak) == ["copies"]
    assert "img/a1-10X.png" in leak["copies"]["examples"][0]
    assert "img/a4-10X.png" in leak["copies"]["examples"][0]


def test_folders_are_a_split_whose_cases_a_regular_expression_tells(here):
    for path, part, *_ in rows():
        write_tree(here / "split", {f"{part}/{Path(path).name}": (here / path).read_bytes()})
    write_tree(here / "split", {"test/._a4.png": b"", "train/notes.txt": b"", "other/x.png": png("x")})
    refused(magsig("audit", "split"), 1, "to know the case of every image", "found none for 16 of 16 images")
    said = audit("split", "--case-from", "(?P<case>[ab][0-9])-")
    assert said["verdict"] == "no leak found in what was checked"  # folders name no labels
    assert said["cases"] == 8
    assert "passed over 1 x image outside of train, validation and test" in said["notes"]
    os.replace("split/val/a3-10X.png", "split/train/a3-10X.png")
    assert "cases" in found(audit("split", "--case-from", "([ab][0-9])-"), "leak")
    refused(magsig("audit", "split", "--case-from", "[ab]"), 2, "a group in --case-from")


def test_predictions_of_a_run_are_a_split_without_pictures(here):
    frame = pd.DataFrame(rows(), columns=["path", "part", "case", "label", "magnification"]).drop(columns="path")
    frame["part"] = frame["part"].map({"train": "in_domain_test", "val": "validation_holdout", "test": "test"})
    frame.assign(label=(frame["label"] == "malignant").astype(int), probability=0.5).to_parquet("predictions.parquet")
    said = audit("predictions.parquet")
    assert said["verdict"] == "no leak found in what was checked"
    assert {row["side"] for row in said["counts"]} == {"validation", "test"}
    assert {row["label"] for row in said["counts"]} == {"benign", "malignant"}


def test_folds_without_parts_are_sides_of_their_own(here):
    changed(fold=[1, 1, 2, 2, 1, 2, 3, 3, 4, 4, 10, 10, 1, 1, 2, 2]).drop(columns="part").to_csv(
        "folds.csv", index=False
    )
    leak = found(audit("folds.csv"), "leak")["cases"]
    assert leak["sentence"] == (
        "1 of 8 cases are on two sides: 2 of 16 (12.5 %) images are of cases in two or more folds"
    )
    assert [row["side"] for row in audit("folds.csv")["counts"]][-1] == "fold 10"


def test_several_folds_with_parts_are_audited_one_by_one(here):
    frame = changed()
    swapped = frame.assign(fold=2, part=frame["part"].map({"train": "test", "val": "train", "test": "train"}))
    both = pd.concat([frame.assign(fold=1), swapped])
    both.to_csv("both.csv", index=False)
    assert not audit("both.csv")["leaks"]
    both.loc[(both["fold"] == 2) & (both["path"] == "img/a1-10X.png"), "part"] = "train"
    both.to_csv("both.csv", index=False)
    assert [each["fold"] for each in audit("both.csv")["findings"] if each["state"] == "leak"] == ["2"]


def test_names_that_may_be_one_patient_are_warned_of_where_their_sides_differ(here):
    frame = changed()
    changed(case=frame["case"].replace({"a4": "A1", "b2": "B1"}))
    warned = found(audit("changed.csv"), "warning")["names"]
    assert warned["count"] == 1  # b1 and B1 both train
    assert "A1 and a1 (letter case)" in warned["examples"]


def test_a_class_that_a_side_lacks_is_said(here):
    frame = pd.read_csv("split.csv")
    frame[frame["case"] != "b4"].to_csv("changed.csv", index=False)
    said = audit("changed.csv")
    assert not said["leaks"]
    assert "test at 20X: no malignant case" in found(said, "warning")["classes"]["examples"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,part\nSOB_B_A-14-1-40-001.png,training set A\nx.png,test\n", "one of train, validation, test"),
        ("path,case\nx.png,1\n", "a column part"),
        ("part,case\ntrain,1\ntrain,2\n", "at least two parts"),
        ("part,label\ntrain,0\ntest,1\n", "a column path or case"),
        ("part,case\ntrain,\ntest,1\n", "the case of every image"),
    ],
)
def test_a_split_that_cannot_be_understood_is_refused(here, text, said):
    (here / "odd.csv").write_text(text)
    refused(magsig("audit", "odd.csv"), 1, said)


def test_a_split_that_is_not_there_is_refused(here):
    refused(magsig("audit", "nothing.csv"), 2, "nothing.csv")


def test_columns_of_other_names_can_be_named(here):
    pd.read_csv("split.csv").rename(columns={"part": "Menge", "case": "Fall"}).to_csv("other.csv", sep=";", index=False)
    assert audit("other.csv", "--columns", "part=Menge,case=Fall")["cases"] == 8


NAMES = [
    ("SOB_M_DC-14-13412-40-001.png", "train"),
    ("SOB_M_LC-14-13412-40-001.png", "test"),
    ("SOB_B_A-14-22549AB-40-001.png", "train"),
    ("SOB_B_A-14-29960CD-40-001.png", "test"),
]


def test_slides_of_one_accession_are_one_patient_in_a_list_of_the_official_form(here):
    (here / "list.txt").write_text("".join(f"{name}|40|1|{part}\n" for name, part in NAMES))
    leak = found(audit("list.txt"), "leak")["cases"]
    assert leak["examples"] == ["14-13412: 1 in train (SOB_M_DC-14-13412), 1 in test (SOB_M_LC-14-13412)"]
    text = "path,part,patient\n" + "".join(f"{name},{part},{name[6:18]}\n" for name, part in NAMES)
    (here / "by-slide.csv").write_text(text)
    said = audit("by-slide.csv")
    assert "cases" in found(said, "leak")
    assert "accessions" in found(said, "warning")


def test_files_that_are_listed_by_name_are_looked_for_below_the_folder_that_is_named(here):
    files = {f"deep/{n}/{name}": png(name) for n, (name, _) in enumerate(NAMES) if "LC" not in name}
    write_tree(here / "tiles", files)
    (here / "list.txt").write_text("".join(f"{name}|40|1|{part}\n" for name, part in NAMES))
    said = audit("list.txt", "--images", "tiles")
    assert found(said, "unchecked")["files"]["sentence"] == "1 of 4 listed files were not found; they were not compared"
    assert found(said, "clean")["copies"]["sentence"].startswith("3 pictures were compared")


@pytest.mark.real
def test_the_official_folds_leak_patients_although_they_keep_slides_apart(real_data, here):
    expected = {1: (8, "1,145 of 2,904 (39.4 %)"), 4: (7, "836 of 2,698 (31.0 %)")}
    for fold, (cases, share) in expected.items():
        listed = gzip.decompress((real_data / "facts" / f"dsfold{fold}.txt.gz").read_bytes())
        (here / "fold.txt").write_bytes(listed)
        leak = found(audit("fold.txt"), "leak")["cases"]
        assert leak["count"] == cases
        assert share in leak["sentence"]


def test_findings_are_written_as_csv_too(here):
    magsig("audit", "split.csv", "--no-pictures", "--csv", "found.csv")
    assert list(pd.read_csv("found.csv")["rule"]) == ["cases", "files", "copies"]


def test_a_file_that_is_no_picture_is_named_and_the_others_are_compared(here):
    (here / "img/b1-10X.png").write_bytes(b"nothing")
    said = audit("split.csv")
    assert "img/b1-10X.png (no image" in found(said, "unchecked")["files"]["examples"][0]
