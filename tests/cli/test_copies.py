"""Copies, from images that somebody brings to what the terminal says."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from PIL import Image

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import make_split
from magsig_tf.errors import DataError
from magsig_tf.report.terminal.preparation import print_report
from magsig_tf.workflows import prepare
from magsig_tf.workspace import Workspace
from tests.data.copies.changed_pictures import field


def study(folder, planted: dict[str, str]) -> None:
    """Write eight cases of two images at two magnifications; `planted` are mirrored copies by path, of which image."""
    rows, pictures = [], {}
    for case in range(8):
        for zoom in ("10x", "20x"):
            for number in range(2):
                path = f"p{case}/{zoom}-{number}.png"
                rows.append((path, "malignant" if case % 2 else "benign", zoom, f"p{case}"))
                pictures[path] = field(path, 48)
    for path, original in planted.items():
        pictures[path] = pictures[original][:, ::-1]
    for path, picture in pictures.items():
        (folder / path).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / path)
    pd.DataFrame(rows, columns=["path", "label", "magnification", "case"]).to_csv(folder / "study.csv", index=False)


def prepared(folder, **options) -> PreparedDataset:
    return prepare(folder / "study.csv", Workspace(folder / "w"), size=48, workers=1, **options).dataset


def printed(dataset: PreparedDataset) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=160)
    print_report(dataset.info, console)
    return console.file.getvalue()


def test_a_mirrored_copy_under_another_case_is_named_and_keeps_both_cases_together(tmp_path):
    study(tmp_path, {"p4/20x-1.png": "p0/10x-0.png"})
    dataset = prepared(tmp_path)
    table = pd.read_csv(dataset.folder / "copies.csv")
    assert table[["path", "other", "case", "other_case", "relation"]].values.tolist() == [
        ["p0/10x-0.png", "p4/20x-1.png", "p0", "p4", "mirrored"]
    ]
    text = printed(dataset)
    assert "mirrored 1" in text
    assert "p0 + p4" in text
    split = make_split(dataset.manifest, content_hash=dataset.content_hash, holdout="20x", patient_fold=0, folds=3)
    assert any("1 cases share copies" in warning for warning in split.warnings)


def test_a_copy_under_the_other_label_is_refused_unless_it_is_said_to_be_another_picture(tmp_path):
    study(tmp_path, {"p3/10x-0.png": "p2/10x-0.png"})
    with pytest.raises(DataError, match=r"p2/10x-0.png \(benign, case p2\) and p3/10x-0.png \(malignant, case p3\)"):
        prepared(tmp_path)
    assert not (tmp_path / "w" / "data" / "study").exists()
    kept = prepared(tmp_path, copies="identical")
    assert (kept.manifest["split_case"] == kept.manifest["case"]).all()
    assert "copies other than identical images were not looked for" in printed(kept)


def test_a_folder_that_holds_everything_twice_says_what_to_pass_instead(tmp_path):
    study(tmp_path, {})
    names = {"p0": "SOB_B_A-14-100", "p1": "SOB_M_DC-14-101"}
    for top in ("BreaKHis_v1", "fold1/train"):
        (tmp_path / "tree" / top).mkdir(parents=True)
        for case, slide in names.items():
            for zoom in ("10x", "20x"):
                for number in range(2):
                    target = tmp_path / "tree" / top / f"{slide}-{zoom[:-1]}-{number + 1:03d}.png"
                    target.write_bytes((tmp_path / case / f"{zoom}-{number}.png").read_bytes())
    dataset = prepare(tmp_path / "tree", Workspace(tmp_path / "w"), size=32, workers=1).dataset
    words = "8 of 16 images are copies of others of their case: pass the folder BreaKHis_v1, or each image counts twice"
    assert words in printed(dataset)
