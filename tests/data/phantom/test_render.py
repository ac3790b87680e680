import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from magsig_tf.data.phantom import PhantomSettings, measure_rows, phantom_manifest, render_rows
from magsig_tf.data.phantom.cases import draw_cases, phantom_rows
from magsig_tf.data.phantom.render import MEASURED, OBJECTIVES, optical_density, photograph, textures_for, view_of
from magsig_tf.data.phantom.scenes import touch
from magsig_tf.data.phantom.settings import MAGNIFICATIONS

SETTINGS = PhantomSettings(
    size=48, tiles=2, development_benign=2, development_malignant=2, test_benign=1, test_malignant=1
)
PROGRAM = """
import hashlib
from magsig_tf.data.phantom import PhantomSettings, render_rows
settings = PhantomSettings(
    size=48, tiles=2, development_benign=2, development_malignant=2, test_benign=1, test_malignant=1
)
print(hashlib.sha256(render_rows(settings, range(48)).tobytes()).hexdigest())
"""


def nuclear_mask(settings: PhantomSettings, number: int, points: int) -> np.ndarray:
    """Return the hard mask of one image's nuclei, bool [points, points]; `settings.size` gives its pixel centres."""
    row = phantom_rows(settings)[number]
    scene, view, _ = view_of(settings, row)
    side = settings.field_um(row.magnification)
    inside = touch(scene.nuclei_near(*view, side / 2, 0.0), points, side / points, 0.0, whole=False)
    mask = np.zeros((points, points), bool)
    mask[inside.row, inside.column] = True
    return mask


def test_another_process_renders_the_same_bytes():
    images = render_rows(SETTINGS, range(48))
    assert images.shape == (48, 48, 48, 3)
    assert images.dtype == np.uint8
    other = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(images.tobytes()).hexdigest()


def test_rows_do_not_depend_on_their_company_or_order():
    images = render_rows(SETTINGS, range(48))
    order = np.random.default_rng(0).permutation(48)
    np.testing.assert_array_equal(render_rows(SETTINGS, order), images[order])
    for row in (0, 17, 47):
        np.testing.assert_array_equal(render_rows(SETTINGS, [row])[0], images[row])
    np.testing.assert_array_equal(render_rows(SETTINGS, [5, 5])[1], images[5])


def test_every_tile_is_its_own():
    images = render_rows(SETTINGS, range(48))
    assert len({image.tobytes() for image in images}) == 48
    other_seed = replace(SETTINGS, seed=1)
    assert not np.array_equal(render_rows(other_seed, [0]), images[:1])


def test_the_same_path_keeps_its_pixels_when_the_cohort_is_confounded():
    confounded = replace(SETTINGS, confounding=0.6)
    plain, skewed = phantom_manifest(SETTINGS)[0], phantom_manifest(confounded)[0]
    common = sorted(set(plain.path) & set(skewed.path))
    assert 30 < len(common) < 48
    np.testing.assert_array_equal(
        render_rows(SETTINGS, plain.index[plain.path.isin(common)]),
        render_rows(confounded, skewed.index[skewed.path.isin(common)]),
    )


def test_nuclei_are_dark_where_the_mask_says_so():
    manifest, _ = phantom_manifest(SETTINGS)
    for magnification in MAGNIFICATIONS:
        row = int(manifest.index[manifest.magnification == magnification][0])
        red = render_rows(SETTINGS, [row])[0, ..., 0].astype(float)
        mask = nuclear_mask(SETTINGS, row, SETTINGS.size)
        assert 0.03 < mask.mean() < 0.6
        assert np.corrcoef(red.ravel(), mask.ravel())[0, 1] < -0.6


def test_tiles_look_stained():
    """Pink to violet on average, with blue-black nuclei and bright glass in gaps."""
    images = render_rows(SETTINGS, range(48)).reshape(48, -1, 3).astype(float)
    red, green, blue = images.mean((0, 1))
    assert red > green + 20
    assert blue > green + 20
    assert (images.std(1) > 10).all()


CASE = draw_cases(PhantomSettings())[0]
BLANK = np.zeros((32, 32, 3), np.float32)


def test_edge_width_is_the_root_of_summed_squares():
    # 0.21 * 0.55 / 0.65 = 0.1777; 0.45 * 0.64 = 0.288; tissue 0.15
    assert OBJECTIVES["400X"].edge_width_um(0.64) == pytest.approx(np.sqrt(0.1777**2 + 0.288**2 + 0.15**2), abs=1e-4)
    assert OBJECTIVES["40X"].edge_width_um(0.64) > OBJECTIVES["400X"].edge_width_um(0.64)


def test_haematoxylin_is_blue_and_eosin_pink():
    ones, zeros = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    red, green, blue = 10 ** -optical_density(CASE, ones, zeros)[0, 0]
    assert blue > red > 0
    assert blue > green
    red, green, blue = 10 ** -optical_density(CASE, zeros, ones)[0, 0]
    assert red > blue > green


def test_blank_glass_is_bright_and_the_cast_differs_by_objective():
    def blank(name, cast):
        return photograph(BLANK, CASE, OBJECTIVES[name], 1.0, cast, np.random.default_rng(0)).mean((0, 1))

    assert (blank("40X", 1.0) > 200).all()
    low, high = blank("40X", 1.0), blank("400X", 1.0)
    assert low[0] - low[2] > high[0] - high[2]
    # only the noise level is left to tell the objectives apart
    np.testing.assert_allclose(blank("40X", 0.0), blank("400X", 0.0), atol=2)


def test_a_larger_pixel_shows_less_texture():
    fine, coarse = textures_for(0.2), textures_for(3.0)
    assert coarse.chromatin.std() < 0.5 * fine.chromatin.std()
    assert fine.fibres.std() == pytest.approx(1, abs=0.05)


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
