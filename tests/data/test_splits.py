"""Splits: patients never on two sides, the same deal for every holdout, refusals."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.copies.near_hashes import NEAR_DUPLICATE_BITS, near_duplicates
from magsig_tf.data.splits import check_no_leak, make_split
from magsig_tf.errors import DataError, UsageError
from magsig_tf.seeding import generator_for
from tests.time_limits import slower
from tests.tiny import MAGNIFICATIONS, tiny_manifest


def split(manifest, **changes):
    return make_split(manifest, **({"content_hash": "data", "holdout": "400X", "patient_fold": 0} | changes))


def cases(manifest, rows):
    return set(manifest["case"].to_numpy()[rows])


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.booleans(), min_size=8, max_size=40).filter(lambda x: x.count(True) >= 4 <= x.count(False)),
    folds=st.integers(3, 4),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_every_case_is_tested_once_and_never_trained_on_in_its_fold(labels, folds, seed, data):
    manifest = tiny_manifest(cases=len(labels), images=1)
    manifest["label"] = np.where(np.array(labels)[manifest["case"].str[-2:].astype(int)], "malignant", "benign")
    holdout = data.draw(st.sampled_from(MAGNIFICATIONS))
    tested = []
    for fold in range(folds):
        found = split(manifest, holdout=holdout, patient_fold=fold, folds=folds, split_seed=seed)
        train, validation = cases(manifest, found.rows["train"]), cases(manifest, found.rows["validation"])
        test = cases(manifest, found.rows["test"])
        assert not train & validation
        assert not (train | validation) & test
        assert set(manifest["magnification"].to_numpy()[found.rows["test"]]) == {holdout}
        sources = np.concatenate([found.rows[part] for part in ("train", "validation", "in_domain_test")])
        assert holdout not in set(manifest["magnification"].to_numpy()[sources])
        rows = np.concatenate(list(found.rows.values()))
        assert len(np.unique(rows)) == len(rows)
        tested += sorted(test)
    assert sorted(tested) == sorted(manifest["case"].unique())


def test_the_deal_of_cases_is_the_same_for_every_holdout_and_stratified():
    manifest = tiny_manifest(cases=20)
    tests = [cases(manifest, split(manifest, holdout=name).rows["test"]) for name in MAGNIFICATIONS]
    assert all(test == tests[0] for test in tests)
    assert split(manifest).cases_per_class(manifest) == {
        "train": {"benign": 6, "malignant": 6},
        "validation": {"benign": 2, "malignant": 2},
        "test": {"benign": 2, "malignant": 2},
        "in_domain_test": {"benign": 2, "malignant": 2},
        "validation_holdout": {"benign": 2, "malignant": 2},
    }


def test_cases_without_some_magnification_are_spread_over_the_folds():
    manifest = tiny_manifest(cases=40)
    number = manifest["case"].str[-2:].astype(int)
    manifest = manifest[(number < 20) | (manifest["magnification"] == "200X")].reset_index(drop=True)
    for seed in range(10):
        for fold in range(5):
            found = split(manifest, holdout="200X", patient_fold=fold, split_seed=seed)
            assert found.cases_per_class(manifest)["validation"] == {"benign": 2, "malignant": 2}
            assert found.cases_per_class(manifest)["test"] == {"benign": 4, "malignant": 4}


def test_validation_is_the_next_fold():
    manifest = tiny_manifest()
    for fold in range(5):
        validation = cases(manifest, split(manifest, patient_fold=fold).rows["validation"])
        assert validation == cases(manifest, split(manifest, patient_fold=(fold + 1) % 5).rows["test"])


def test_a_fixed_test_cohort_is_tested_in_every_fold_and_the_others_rotate():
    manifest = tiny_manifest()
    manifest["cohort"] = np.where(manifest["case"] < "case-06", "test", "development")
    found = [split(manifest, patient_fold=fold) for fold in range(5)]
    for one in found:
        assert cases(manifest, one.rows["test"]) == {f"case-{n:02d}" for n in range(6)}
    validation = [cases(manifest, one.rows["validation"]) for one in found]
    assert set.union(*validation) == {f"case-{n:02d}" for n in range(6, 20)}
    assert sum(map(len, validation)) == 14


def test_cases_that_share_identical_pixels_stay_together():
    manifest = tiny_manifest()
    # a chain: 00-02 share one image, 02-04 another
    for first, second in (("case-00", "case-02"), ("case-02", "case-04")):
        source = manifest.index[manifest["case"] == first][-1]
        target = manifest.index[manifest["case"] == second][0]
        manifest.loc[target, "pixel_sha256"] = manifest.loc[source, "pixel_sha256"]
    chain = {"case-00", "case-02", "case-04"}
    for fold in range(5):
        found = split(manifest, patient_fold=fold)
        assert any("2 cases share pixel-identical" in warning for warning in found.warnings)
        for part in ("train", "validation", "test"):
            assert chain & cases(manifest, found.rows[part]) in (set(), chain)


def test_a_case_on_two_sides_is_refused():
    study = tiny_manifest().assign(group="one case for all")
    with pytest.raises(DataError, match="one side"):
        check_no_leak(study, split(tiny_manifest()).rows)


def test_near_duplicates_across_sides_are_counted():
    manifest = tiny_manifest()
    found = split(manifest)
    train, test = found.rows["train"][0], found.rows["test"][0]
    flipped = int(manifest.loc[train, "perceptual_hash"], 16) ^ 0b101
    manifest.loc[test, "perceptual_hash"] = f"{flipped:016x}"
    warnings = split(manifest).warnings
    assert warnings == (
        "1 image pairs of different cases in train and test are near-duplicates (perceptual hash within 2 bits)",
    )


def test_splitting_by_slide_warns_of_the_leak():
    manifest = tiny_manifest()
    manifest["slide"] = manifest["case"] + manifest["sequence"]
    found = split(manifest, group_by="slide")
    assert "optimistic" in found.warnings[0]
    assert cases(manifest, found.rows["train"]) & cases(manifest, found.rows["test"])


def test_a_study_can_be_limited_to_some_magnifications():
    manifest = tiny_manifest()
    found = split(manifest, magnifications=["100X", "200X", "400X"])
    assert found.source_magnifications == ("100X", "200X")
    with pytest.raises(UsageError, match="among the study's magnifications"):
        split(manifest, magnifications=["100X", "200X"])


def test_a_training_part_without_both_classes_is_refused():
    manifest = tiny_manifest(cases=6)
    manifest["label"] = np.where(manifest["case"] == "case-00", "malignant", "benign")
    # with one malignant case, train or validation lacks the class whatever the fold
    for fold in range(5):
        with pytest.raises(DataError, match=r"benign and malignant cases in the \w+ part .*, found only benign"):
            split(manifest, patient_fold=fold)


def test_a_test_cell_without_both_classes_warns():
    manifest = tiny_manifest()
    gone = (manifest["magnification"] == "400X") & (manifest["label"] == "benign")
    manifest = manifest[~gone].reset_index(drop=True)
    assert "Test cases at 400X lack benign ones: AUC is not defined here" in split(manifest).warnings


def test_unknown_holdout_offers_the_nearest():
    with pytest.raises(UsageError, match=r"found '4000x'.*Did you mean '400X'"):
        split(tiny_manifest(), holdout="4000x")


def test_a_case_with_two_labels_is_refused():
    manifest = tiny_manifest()
    manifest.loc[0, "label"] = "malignant"
    with pytest.raises(DataError, match="one label"):
        split(manifest)


def test_the_hash_tells_splits_apart():
    manifest = tiny_manifest()
    hashes = {
        split(manifest, **change).hash
        for change in ({}, {"holdout": "40X"}, {"patient_fold": 1}, {"split_seed": 1}, {"content_hash": "other"})
    }
    assert len(hashes) == 5
    assert split(manifest).hash == split(manifest.copy()).hash


def test_other_names_of_magnifications_work():
    manifest = tiny_manifest(magnifications=("low", "mid", "top"))
    found = split(manifest, holdout="mid")
    assert isinstance(manifest, pd.DataFrame)
    assert found.source_magnifications == ("low", "top")


def compared_one_by_one(first: list[int], second: list[int]) -> int:
    return sum((one ^ other).bit_count() <= NEAR_DUPLICATE_BITS for one in first for other in second)


def as_hashes(values) -> pd.Series:
    return pd.Series([f"{int(value):016x}" for value in values])


@given(
    base=st.integers(0, 2**64 - 1),
    flips=st.lists(st.lists(st.integers(0, 63), max_size=4), min_size=2, max_size=30),
    cut=st.integers(1, 29),
)
def test_every_pair_within_two_bits_is_counted_once(base, flips, cut):
    values = []
    for bits in flips:
        value = base
        for bit in bits:
            value ^= 1 << bit
        values.append(value)
    first, second = values[:cut], values[cut:]
    assert near_duplicates(as_hashes(first), as_hashes(second)) == compared_one_by_one(first, second)


def test_sixty_thousand_against_forty_thousand_take_about_a_second():
    random = generator_for("many hashes")
    first, second = random.integers(0, 2**63, 60_000), random.integers(0, 2**63, 40_000)
    second[:7] = first[:7] ^ 5
    began = time.process_time()
    assert near_duplicates(as_hashes(first), as_hashes(second)) == 7
    # all 2.4 billion pairs took 5 seconds at best
    assert time.process_time() - began < 3 * slower()


def test_blank_pictures_that_all_hash_alike_are_compared_once():
    blank = as_hashes(np.zeros(50_000, np.int64))
    began = time.process_time()
    assert near_duplicates(blank, blank) == 50_000**2
    assert time.process_time() - began < 3 * slower()


@pytest.mark.parametrize("fold", range(5))
def test_a_source_magnification_that_a_fold_cannot_train_and_validate_at_is_named_with_the_fold(fold):
    manifest = tiny_manifest()
    lacking = manifest[(manifest["magnification"] != "100X") | (manifest["case"] == "case-00")].reset_index(drop=True)
    said = (
        f"images at every source magnification in patient fold {fold}, found none at 100X.*: --magnifications 40X,200X"
    )
    with pytest.raises(DataError, match=said):
        split(lacking, patient_fold=fold)
    split(lacking, patient_fold=fold, magnifications=["40", "x200", "400X"])
    split(lacking, patient_fold=fold, holdout="100 X")


def test_names_of_an_earlier_version_that_would_leak_are_refused():
    manifest = tiny_manifest()
    manifest.loc[manifest.index[::2], "magnification"] = manifest["magnification"].str.lower()
    with pytest.raises(DataError, match="Expected each magnification under one name, found '40X' and '40x'"):
        split(manifest)
    with pytest.raises(DataError, match="Expected the test cohort as 'test', found 'Test'"):
        split(tiny_manifest().assign(cohort=lambda rows: (rows["case"] == "case-00").map({True: "Test", False: ""})))


def test_columns_of_another_project_that_are_named_like_ours_override_nothing():
    manifest = tiny_manifest()
    theirs = {"fold": 3, "split": "train", "part": "test", "seed": 7, "holdout": "40X", "group": "g", "row": 9}
    one, other = split(manifest), split(manifest.assign(**theirs, probability=0.9, index="4"))
    assert one.hash == other.hash
    assert all((one.rows[part] == other.rows[part]).all() for part in one.rows)
