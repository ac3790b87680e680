from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.copies.linked_cases import folder_without_copies, summary_of_copies, with_copies
from magsig_tf.data.copies.search import Copies
from magsig_tf.data.manifest import content_hash
from magsig_tf.data.splits import make_split
from magsig_tf.errors import DataError
from magsig_tf.testing.tiny_data import tiny_manifest


def copies_of(manifest: pd.DataFrame, *pairs: tuple[int, int], relation: str = "mirrored") -> Copies:
    table = pd.DataFrame(pairs, columns=["first", "second"], dtype=np.int64)
    none = np.zeros(len(manifest), bool)
    return Copies(table.assign(relation=relation, correlation=0.97, share=1.0), none, none, True)


def row_of(manifest: pd.DataFrame, case: str) -> int:
    return int(np.flatnonzero(manifest["case"] == case)[0])


def test_cases_that_hold_copies_of_each_other_are_split_as_one():
    plain = tiny_manifest()
    chain = [(row_of(plain, "case-01"), row_of(plain, "case-05")), (row_of(plain, "case-05"), row_of(plain, "case-13"))]
    manifest = with_copies(plain, copies_of(plain, *chain))
    assert set(manifest.loc[manifest["case"].isin(["case-01", "case-05", "case-13"]), "split_case"]) == {"case-01"}
    assert content_hash(manifest) != content_hash(plain)
    for fold in range(5):
        split = make_split(manifest, content_hash=content_hash(manifest), holdout="40X", patient_fold=fold)
        assert "2 cases share copies of images with another and are split together with it" in split.warnings
        sides = {part: set(manifest["case"].iloc[rows]) for part, rows in split.rows.items()}
        for part in ("train", "validation", "test"):
            assert len(sides[part] & {"case-01", "case-05", "case-13"}) in (0, 3)
    by_slide = make_split(manifest, content_hash="x", holdout="40X", patient_fold=0, group_by="slide")
    assert any("slides share copies" in warning for warning in by_slide.warnings)


def test_without_copies_a_data_set_keeps_the_hash_of_earlier_versions():
    plain = tiny_manifest()
    manifest = with_copies(plain, copies_of(plain))
    assert (manifest["split_case"] == manifest["case"]).all()
    assert content_hash(manifest) == content_hash(plain)


def test_copies_under_both_labels_are_refused_by_name():
    manifest = tiny_manifest()
    wrong = (row_of(manifest, "case-00"), row_of(manifest, "case-01"))
    with pytest.raises(
        DataError, match=r"case-00/.*\(benign, case case-00\) and case-01/.*malignant.*mirrored"
    ) as near:
        with_copies(manifest, copies_of(manifest, wrong))
    assert "--copies identical" in str(near.value)
    with pytest.raises(DataError) as identical:
        with_copies(manifest, copies_of(manifest, wrong, relation="identical"))
    assert "--copies" not in str(identical.value)


def test_copies_inside_and_outside_of_the_test_cohort_are_refused():
    manifest = tiny_manifest()
    manifest["cohort"] = np.where(manifest["case"] == "case-02", "test", "development")
    with pytest.raises(DataError, match="one cohort for an image and its copies"):
        with_copies(manifest, copies_of(manifest, (row_of(manifest, "case-00"), row_of(manifest, "case-02"))))


def test_the_summary_counts_pairs_across_and_inside_cases():
    plain = tiny_manifest()
    rows = np.flatnonzero(plain["case"] == "case-03")[:2]
    copies = copies_of(plain, (row_of(plain, "case-01"), row_of(plain, "case-05")), tuple(rows))
    summary = summary_of_copies(with_copies(plain, copies), copies, None)
    assert summary["across_cases"]["pairs"] == 1
    assert summary["across_cases"]["relations"] == {"mirrored": 1}
    assert summary["split_together"] == [["case-01", "case-05"]]
    assert (summary["same_field"], summary["repeated"], summary["folder"]) == (1, 0, None)


def test_the_folder_that_holds_each_image_once_is_named():
    names = ["a.png", "b.png", "c.png"]
    paths = [f"{top}/{name}" for top in ("fold1/train", "images/all", "copy") for name in names]
    assert folder_without_copies(paths, ["1", "2", "3"] * 3) == "copy"
    assert folder_without_copies([f"fold1/{path}" for path in paths], ["1", "2", "3"] * 3) == "fold1/copy"
    assert folder_without_copies(paths[:5], ["1", "2", "3", "1", "4"]) is None
    assert folder_without_copies(None, ["1"]) is None
