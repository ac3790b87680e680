from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from magsig_tf.data.phantom import INVARIANT_FACTORS, NUISANCE_FACTORS, PhantomSettings, draw_cases, phantom_manifest


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
