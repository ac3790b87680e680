"""Cases are dealt whole and evenly, and always the same way: a study's splits and folds must not move."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.splits import make_split
from magsig_tf.errors import DataError
from magsig_tf.evaluation.probes.magnification import case_folds
from magsig_tf.statistics.cases import deal_cases, deal_cases_of_many_classes


@settings(max_examples=50)
@given(benign=st.integers(2, 30), malignant=st.integers(2, 30), folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_cases_stay_whole_and_both_classes_are_spread_over_the_folds(benign, malignant, folds, seed):
    if benign + malignant < folds:
        folds = 2
    label_of_case = np.array([0] * benign + [1] * malignant)
    case = np.repeat(np.arange(len(label_of_case)), 3)
    fold = deal_cases(label_of_case[case], case, folds, seed)
    assert all(len(set(fold[case == name])) == 1 for name in range(len(label_of_case)))
    for value in (0, 1):
        counts = np.bincount(fold[::3][label_of_case == value], minlength=folds)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(fold[::3], minlength=folds)
    assert counts.max() - counts.min() <= 1


def test_the_deal_depends_on_its_names_and_not_on_the_order_of_rows():
    case = np.repeat([f"case-{number:02d}" for number in range(40)], 3)
    label = np.repeat(np.arange(40) % 3 == 0, 3).astype(int)
    fold = deal_cases(label, case, 5, "study", 0)
    order = np.random.default_rng(0).permutation(len(case))
    assert np.array_equal(deal_cases(label[order], case[order], 5, "study", 0), fold[order])
    assert not np.array_equal(deal_cases(label, case, 5, "study", 1), fold)


def test_a_stratum_is_spread_over_the_folds():
    case = np.arange(12)
    stratum = np.repeat([0, 1], 6)
    fold = deal_cases(np.zeros(12, int), case, 3, "strata", stratum=stratum)
    assert [np.bincount(fold[stratum == number]).tolist() for number in (0, 1)] == [[2, 2, 2], [2, 2, 2]]


def test_a_case_with_two_labels_is_refused_by_its_name():
    with pytest.raises(DataError, match="found both labels in b"):
        deal_cases(np.array([0, 1, 0]), np.array(["a", "b", "b"]), 2, "mixed")


def test_a_case_of_the_fixed_test_cohort_with_two_labels_is_refused():
    manifest = pd.DataFrame({
        "case": ["a", "a", "b", "b"], "label": ["benign", "malignant", "benign", "benign"],
        "magnification": ["40X", "100X"] * 2, "cohort": ["test", "test", "train", "train"],
        "pixel_sha256": list("wxyz"),
    })  # fmt: skip
    with pytest.raises(DataError, match="found both labels in a"):
        make_split(manifest, content_hash="0", holdout="40X", patient_fold=0)


def test_the_deals_are_those_of_every_version():
    case = np.array([f"c{number:02d}" for number in range(14)])
    label = (np.arange(14) % 3 == 0).astype(int)
    assert deal_cases(label, case, 4, "signature folds", "x", 0).tolist() == [2, 2, 3, 1, 3, 2, 3, 1, 0, 0, 1, 0, 1, 0]
    assert case_folds(case, label).tolist() == [3, 1, 0, 1, 3, 1, 2, 0, 4, 4, 2, 3, 0, 2]
    many = deal_cases_of_many_classes(np.arange(28) % 2, np.repeat(np.arange(14), 2), 4, 7)
    assert many[::2].tolist() == [0, 1, 3, 2, 1, 2, 3, 0, 2, 0, 1, 1, 0, 3]
