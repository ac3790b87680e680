from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from magsig_tf.data.phantom import PhantomSettings, measure_rows, phantom_manifest, render_rows
from magsig_tf.data.phantom.cases import INVARIANT_FACTORS, NUISANCE_FACTORS, draw_cases
from magsig_tf.data.phantom.settings import MAGNIFICATIONS
from magsig_tf.errors import DataError


def frame(**options) -> pd.DataFrame:
    return pd.DataFrame([asdict(case) for case in draw_cases(PhantomSettings(**options))])


def oracle_auc(cases: pd.DataFrame) -> float:
    """Fit the four factors on the development cohort, score the test cohort."""
    factors = list(INVARIANT_FACTORS)
    development, test = cases[cases.cohort == "development"], cases[cases.cohort == "test"]
    centre, spread = development[factors].mean(), development[factors].std()
    model = LogisticRegression(max_iter=500).fit((development[factors] - centre) / spread, development.malignant)
    return roc_auc_score(test.malignant, model.decision_function((test[factors] - centre) / spread))


def test_the_four_factors_nearly_tell_the_class_in_a_large_cohort():
    # the sum of the scores has d' = 2 / sqrt(0.7^2 + 0.6^2 / 4) = 2.63, so AUC = Phi(2.63 / sqrt 2) = .968
    cases = frame(tiles=1, development_benign=1000, development_malignant=1000, test_benign=1000, test_malignant=1000)
    assert oracle_auc(cases) == pytest.approx(0.968, abs=0.012)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_default_cohorts_hold_the_class_in_the_invariant_factors_only(seed):
    cases = frame(seed=seed)
    assert 0.94 < oracle_auc(cases) < 0.99
    for _, cohort in cases.groupby("cohort"):
        for factor in INVARIANT_FACTORS:
            assert 0.85 < roc_auc_score(cohort.malignant, cohort[factor]) < 0.99
        for factor in NUISANCE_FACTORS:
            assert roc_auc_score(cohort.malignant, cohort[factor]) == pytest.approx(0.5, abs=0.04)


def test_no_separation_makes_the_classes_alike():
    cases = frame(separation=0, tiles=1, test_benign=500, test_malignant=500)
    test = cases[cases.cohort == "test"]
    for factor in INVARIANT_FACTORS:
        assert roc_auc_score(test.malignant, test[factor]) == pytest.approx(0.5, abs=0.07)


def test_factors_do_not_depend_on_magnification():
    _, truth = phantom_manifest(PhantomSettings())
    means = truth.groupby("magnification")[list(INVARIANT_FACTORS + NUISANCE_FACTORS)].mean()
    np.testing.assert_allclose(means.std(), 0, atol=1e-12)


def test_enlarging_one_cohort_leaves_the_other_alone():
    small, large = frame(), frame(development_benign=40)
    columns = ["malignant", *INVARIANT_FACTORS, *NUISANCE_FACTORS]
    pd.testing.assert_frame_equal(
        small.loc[small.cohort == "test", columns].reset_index(drop=True),
        large.loc[large.cohort == "test", columns].reset_index(drop=True),
    )


def test_another_seed_gives_other_cases():
    assert not np.allclose(frame(seed=0).grade, frame(seed=1).grade)


SMALL = {"size": 16, "tiles": 4, "development_benign": 2, "development_malignant": 3}
SMALL |= {"test_benign": 2, "test_malignant": 2}


def test_manifest_and_truth_are_aligned_and_sorted_by_path():
    manifest, truth = phantom_manifest(PhantomSettings(**SMALL))
    assert len(manifest) == len(truth) == 9 * 4 * 4
    assert list(manifest.path) == sorted(manifest.path)
    assert manifest.path.is_unique
    assert list(manifest.path) == list(truth.path)
    assert list(manifest.index) == list(range(len(manifest)))
    assert manifest.path[0] == "phantom/development/case-0000/100X/tile-00.png"
    assert manifest.sequence[1] == "01"
    assert set(manifest.origin) == {"phantom"}
    assert (manifest.width == 16).all()


def test_cases_have_one_label_and_one_cohort():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL))
    assert (manifest.groupby("case")[["label", "cohort"]].nunique() == 1).all(axis=None)
    cases = manifest.drop_duplicates("case")
    assert cases.groupby(["cohort", "label"]).size().to_dict() == {
        ("development", "benign"): 2,
        ("development", "malignant"): 3,
        ("test", "benign"): 2,
        ("test", "malignant"): 2,
    }


def test_more_than_a_hundred_tiles_stay_sorted():
    manifest, truth = phantom_manifest(PhantomSettings(**SMALL | {"tiles": 120}))
    assert list(manifest.path) == sorted(manifest.path)
    assert list(manifest.sequence.astype(int)) == list(truth.site)


def test_confounding_skews_the_development_cohort_only():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL, confounding=0.5))
    counts = manifest.groupby(["cohort", "label", "magnification"]).size()
    # 4 tiles times 1 -+ 0.5 at the ends and 1 -+ 0.5 / 3 between, rounded, for 2 and 3 cases
    assert list(counts["development", "benign"][list(MAGNIFICATIONS)]) == [12, 10, 6, 4]
    assert list(counts["development", "malignant"][list(MAGNIFICATIONS)]) == [6, 9, 15, 18]
    assert set(counts["test"]) == {8}


def test_confounding_at_one_leaves_a_class_out_at_either_end():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL, confounding=1))
    development = manifest[manifest.cohort == "development"]
    assert set(development[development.magnification == "40X"].label) == {"benign"}
    assert set(development[development.magnification == "400X"].label) == {"malignant"}


@pytest.mark.parametrize("rows", [[-1], [144], [0.5], [[0, 1]], ["0"], [True]])
@pytest.mark.parametrize("function", [render_rows, measure_rows])
def test_rows_that_do_not_exist_are_refused(function, rows):
    with pytest.raises(DataError, match="0 to 143"):
        function(PhantomSettings(**SMALL), rows)


def test_no_rows_give_no_images():
    settings = PhantomSettings(**SMALL)
    assert render_rows(settings, []).shape == (0, 16, 16, 3)
    assert len(measure_rows(settings, np.array([], int))) == 0
