import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from magsig_tf.data.phantom import MEASURED, PhantomSettings, measure_rows, nuclear_mask, phantom_manifest


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    """40 cases, 10 sites, at four magnifications."""
    settings = PhantomSettings(
        tiles=10, development_benign=1, development_malignant=1, test_benign=20, test_malignant=20
    )
    _, truth = phantom_manifest(settings)
    rows = np.flatnonzero(truth.cohort == "test")
    return truth.loc[rows].join(measure_rows(settings, rows))


def by_case(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    cases = frame.groupby("case").agg({column: "mean", "label": "first"})
    return (cases.label == "malignant").to_numpy(), cases[column].to_numpy()


def test_realised_nuclear_area_is_free_of_the_class(measured):
    malignant, area = by_case(measured, "realised_nuclear_area_um2")
    assert roc_auc_score(malignant, area) == pytest.approx(0.5, abs=0.1)
    assert abs(area[malignant].mean() - area[~malignant].mean()) < 0.25 * area.std()


def test_realised_nuclear_area_is_what_the_case_says_in_both_classes(measured):
    ratio = measured.realised_nuclear_area_um2 / (np.pi * measured.nuclear_radius_um**2)
    malignant, ratio = by_case(measured.assign(ratio=ratio), "ratio")
    assert ratio[malignant].mean() == pytest.approx(1, abs=0.02)
    assert ratio[~malignant].mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("column", "tolerance"), [("realised_nuclear_area_um2", 0.03), ("realised_nuclear_fraction", 0.03)]
)
def test_realised_area_and_fraction_are_free_of_pixel_size(measured, column, tolerance):
    """Means over the same sites at four magnifications agree within 3 % (400X fields hold 11 nuclei each)."""
    means = measured.groupby("magnification")[column].mean()
    assert means.max() / means.min() < 1 + tolerance


def test_realised_fraction_follows_the_aim_and_the_class(measured):
    fraction = measured.groupby("case")[["nuclear_fraction", "realised_nuclear_fraction"]].mean()
    assert fraction.corr().iloc[0, 1] > 0.95
    # overlaps are counted once, so less is seen than was aimed at
    assert 0.90 < (fraction.realised_nuclear_fraction / fraction.nuclear_fraction).mean() < 1.0
    malignant, seen = by_case(measured, "realised_nuclear_fraction")
    assert roc_auc_score(malignant, seen) > 0.8


def test_fraction_equals_a_finer_mask():
    settings = PhantomSettings(tiles=1, development_benign=4, development_malignant=4, test_benign=0, test_malignant=0)
    frame = measure_rows(settings, range(32))
    fine = [nuclear_mask(settings, row, 400).mean() for row in range(32)]
    coarse = frame.realised_nuclear_fraction * frame.tissue_fraction
    np.testing.assert_allclose(coarse, fine, atol=0.02)
    assert abs(np.mean(coarse - fine)) < 0.003


def test_a_measure_does_not_depend_on_the_tile_size_in_pixels():
    options = {"tiles": 1, "development_benign": 1, "development_malignant": 1, "test_benign": 0, "test_malignant": 0}
    small, large = (measure_rows(PhantomSettings(size=size, **options), range(8)) for size in (32, 128))
    pd.testing.assert_frame_equal(small, large)


def test_a_field_without_nuclei_has_no_mean_area():
    settings = PhantomSettings(
        tiles=40, development_benign=1, development_malignant=1, test_benign=0, test_malignant=0, fields_um=(4, 4, 4, 4)
    )
    frame = measure_rows(settings, range(80))
    empty = frame[frame.realised_nuclei == 0]
    assert len(empty) > 0
    assert empty.realised_nuclear_area_um2.isna().all()
    assert frame.realised_nuclei.dtype == np.int64


def test_measured_columns_join_the_truth_in_any_order():
    settings = PhantomSettings(tiles=1, development_benign=1, development_malignant=1, test_benign=0, test_malignant=0)
    frame = measure_rows(settings, [7, 2, 7])
    assert list(frame.index) == [7, 2, 7]
    assert list(frame.columns) == list(MEASURED)
    pd.testing.assert_frame_equal(frame.iloc[[1]], measure_rows(settings, [2]))
