"""Metrics of all replicates against a plain loop over resampled rows; images become cases, thresholds are chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.statistics import metrics
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import percentile_interval
from magsig_tf.statistics.metrics import balanced_accuracy
from magsig_tf.statistics.replicates import Replicates, case_units, choose_threshold, image_units
from tests.statistics.one_sample import brier_terms, equal_width_error

PLAIN = {
    "auc": lambda u: metrics.auc(u.label, u.probability),
    "accuracy": lambda u: metrics.accuracy(u.label, u.predicted),
    "balanced_accuracy": lambda u: metrics.balanced_accuracy(u.label, u.predicted),
    "f1": lambda u: metrics.f1(u.label, u.predicted),
    "sensitivity": lambda u: float(metrics.sensitivity_from_counts(*metrics.confusion(u.label, u.predicted))),
    "specificity": lambda u: float(metrics.specificity_from_counts(*metrics.confusion(u.label, u.predicted))),
    "brier": lambda u: metrics.brier_score(u.label, u.probability),
    "log_loss": lambda u: metrics.log_loss(u.label, u.probability),
    "ece_equal_width_raw": lambda u: equal_width_error(u.label, u.probability),
    "brier_reliability": lambda u: brier_terms(u.label, u.probability)["reliability"],
    "brier_resolution": lambda u: brier_terms(u.label, u.probability)["resolution"],
    "brier_uncertainty": lambda u: brier_terms(u.label, u.probability)["uncertainty"],
    "patient_recognition_rate": lambda u: float(np.mean(u.correct)),
}


def clustered(rng, cases=30, images=400, decimals=3):
    """Image units of clustered cases, and the label of each case."""
    strata = (np.arange(cases) >= cases // 3).astype(int)
    case = np.concatenate([np.arange(cases), rng.integers(0, cases, images - cases)])
    logit = rng.normal(size=cases)[case] + rng.normal(size=images) + 1.5 * strata[case] - 0.7
    return image_units(case, strata[case], np.round(1 / (1 + np.exp(-logit)), decimals)), strata


def resampled(units, multiplicities):
    """The units as a plain bootstrap would repeat them."""
    rows = np.repeat(np.arange(len(units)), multiplicities[units.case].astype(int))
    return type(units)(*(getattr(units, name)[rows] for name in units.__dataclass_fields__))


@pytest.mark.parametrize("decimals", [1, 3, 15])
@pytest.mark.parametrize("level", ["image", "case"])
def test_all_replicates_at_once_equal_a_loop(level, decimals):
    units, strata = clustered(np.random.default_rng(decimals), decimals=decimals)
    units = units if level == "image" else case_units(units)
    drawn = case_multiplicities(strata, 40, "loop")
    replicates = Replicates(units, drawn)
    assert set(METRICS) - set(PLAIN) == {"ece", "ece_raw", "ece_equal_width"}
    for name, plain in PLAIN.items():
        expected = [plain(resampled(units, row)) for row in drawn]
        np.testing.assert_allclose(METRICS[name].values(replicates), expected, rtol=0, atol=1e-12, err_msg=name)


def test_calibration_errors_keep_the_bins_of_the_sample():
    units, strata = clustered(np.random.default_rng(4), decimals=15)
    drawn = case_multiplicities(strata, 30, "bins")
    bin_of = metrics.equal_mass_bins(units.probability)
    expected = []
    for row in drawn:
        times = row[units.case].astype(int)
        label, probability, bins = (np.repeat(column, times) for column in (units.label, units.probability, bin_of))
        sums = metrics.bin_sums(label, probability, bins)
        expected.append(float(metrics.calibration_error(sums)))
    found = METRICS["ece_raw"].values(Replicates(units, drawn))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    corrected = METRICS["ece"].values(Replicates(units, drawn))
    assert corrected.shape == found.shape
    assert (corrected <= found).all()
    assert (corrected >= 0).all()
    assert corrected[0] < found[0]


@pytest.mark.parametrize("decimals", [2, 15])
def test_all_replicates_at_once_equal_scikit_learn_with_weights(decimals):
    units, strata = clustered(np.random.default_rng(decimals), decimals=decimals)
    drawn = case_multiplicities(strata, 25, "scikit-learn")
    replicates = Replicates(units, drawn)
    of_decisions = {
        "accuracy": reference.accuracy_score,
        "balanced_accuracy": reference.balanced_accuracy_score,
        "f1": reference.f1_score,
        "sensitivity": reference.recall_score,
        "specificity": lambda *given, **weights: reference.recall_score(*given, pos_label=0, **weights),
    }
    of_probabilities = {
        "auc": reference.roc_auc_score,
        "brier": reference.brier_score_loss,
        "log_loss": reference.log_loss,
    }
    for functions, answers in ((of_decisions, units.predicted), (of_probabilities, units.probability)):
        for name, function in functions.items():
            expected = [function(units.label, answers, sample_weight=row[units.case]) for row in drawn]
            found = METRICS[name].values(replicates)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


def test_equally_wide_bins_of_all_replicates_are_those_of_scikit_learns_calibration_curve():
    units, strata = clustered(np.random.default_rng(7), decimals=15)
    drawn = case_multiplicities(strata, 25, "calibration curve")
    expected = []
    for row in drawn:
        rows = resampled(units, row)
        share, mean = calibration_curve(rows.label, rows.probability, n_bins=metrics.BINS, strategy="uniform")
        count = np.histogram(rows.probability, metrics.BINS, (0, 1))[0]
        expected.append((count[count > 0] * np.abs(share - mean)).sum() / count.sum())
    found = METRICS["ece_equal_width_raw"].values(Replicates(units, drawn))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_equal_mass_bins_are_those_of_scikit_learns_quantiles_where_they_divide_the_sample():
    # 450 distinct probabilities, 30 a bin; where rows repeat scikit-learn may split equal ones
    units, _ = clustered(np.random.default_rng(8), images=450, decimals=15)
    share, mean = calibration_curve(units.label, units.probability, n_bins=metrics.BINS, strategy="quantile")
    found = METRICS["ece_raw"].values(Replicates(units, np.ones((1, 30))))[0]
    assert found == pytest.approx(np.mean(np.abs(share - mean)), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_weighted_form_equals_expanded_form_for_any_multiplicities(data):
    cases = data.draw(st.integers(1, 6))
    units = data.draw(
        st.lists(st.tuples(st.integers(0, cases - 1), st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=40)
    )
    case, label, score = np.array(units).T
    units = image_units(case, label, score / 12)
    weights = data.draw(st.lists(st.integers(0, 3), min_size=cases, max_size=cases))
    weights = np.array([weights, [1] * cases], float)
    for name in PLAIN:
        values = METRICS[name].values(Replicates(units, weights))
        for value, row in zip(values, weights, strict=True):
            drawn = resampled(units, row)
            if len(drawn):
                assert value == pytest.approx(PLAIN[name](drawn), abs=1e-12, nan_ok=True), name
            else:
                assert np.isnan(value), name


def test_cases_are_drawn_within_their_label_and_row_0_is_the_sample():
    strata = np.array([0] * 5 + [1] * 9)
    drawn = case_multiplicities(strata, 200, "draw")
    assert (drawn[0] == 1).all()
    assert (drawn[:, :5].sum(1) == 5).all()
    assert (drawn[:, 5:].sum(1) == 9).all()
    assert (drawn == case_multiplicities(strata, 200, "draw")).all()
    assert not (drawn == case_multiplicities(strata, 200, "another draw")).all()


def test_case_bootstrap_is_wider_than_image_bootstrap_on_clustered_data():
    units, strata = clustered(np.random.default_rng(3), images=900)
    by_case = Replicates(units, case_multiplicities(strata, 500, "cases")).auc()
    as_own_case = image_units(np.arange(len(units)), units.label, units.probability)
    by_image = Replicates(as_own_case, case_multiplicities(units.label, 500, "images")).auc()
    assert by_case[0] == pytest.approx(by_image[0])
    widths = [np.diff(percentile_interval(values[1:], values[0], 0.95))[0] for values in (by_case, by_image)]
    assert widths[0] > 1.5 * widths[1]


def test_a_case_is_the_mean_over_its_images():
    cases = case_units(image_units([1, 0, 1], [1, 0, 1], [0.2, 0.3, 0.9]))
    assert cases.case.tolist() == [0, 1]
    assert cases.label.tolist() == [0, 1]
    assert cases.probability.tolist() == pytest.approx([0.3, 0.55])


def test_cases_of_equal_mean_tie_in_whatever_order_their_images_are_added():
    # .1 + .2 + .3 added up in one order is not what it is in the other
    order = np.array([0.1, 0.2, 0.3])
    assert order.sum() != order[::-1].sum()
    probability = np.concatenate([order, order[::-1], [0.6], [0.1]])
    case, label = np.repeat([0, 1, 2, 3], [3, 3, 1, 1]), np.repeat([0, 1, 1, 0], [3, 3, 1, 1])
    for rows in (slice(None), slice(None, None, -1)):
        cases = case_units(image_units(case[rows], label[rows], probability[rows]))
        assert Replicates(cases, np.ones((1, 4))).auc() == pytest.approx(3.5 / 4, abs=1e-15)


def test_patient_recognition_rate_weighs_cases_not_images():
    # four images of a malignant case, one of them missed, and one of a benign case, called malignant
    cases = case_units(image_units([0] * 4 + [1], [1] * 4 + [0], [0.9, 0.9, 0.9, 0.1, 0.9]))
    rate = METRICS["patient_recognition_rate"].values(Replicates(cases, np.ones((1, 2))))
    assert rate == pytest.approx((3 / 4 + 0) / 2)


def test_case_units_keep_the_share_of_correct_images_beside_the_decision_on_the_mean():
    cases = case_units(image_units([0, 0, 0], [1, 1, 1], [0.1, 0.2, 0.99], threshold=0.5), threshold=0.4)
    assert cases.correct.tolist() == pytest.approx([1 / 3])
    assert cases.predicted.tolist() == [1]  # the mean .43 is above .4


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=30))
def test_no_threshold_beats_the_chosen_one(pairs):
    label, probability = np.array(pairs)[:, 0], np.array(pairs)[:, 1] / 10
    if label.min() == label.max():
        return
    chosen = balanced_accuracy(label, probability >= choose_threshold(label, probability))
    for other in np.linspace(0, 1, 21):
        assert chosen >= balanced_accuracy(label, probability >= other) - 1e-12


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.5, 0.7, 0.9]) == pytest.approx(0.3)
