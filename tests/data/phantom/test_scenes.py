from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.phantom import PhantomSettings
from magsig_tf.data.phantom.cases import draw_cases
from magsig_tf.data.phantom.scenes import LATTICE, TISSUE_PERIOD_UM, Nuclei, build_scene, site_of, touch

CASES = draw_cases(PhantomSettings())


@pytest.mark.parametrize("case", CASES[:6], ids=lambda case: case.name)
def test_mean_nuclear_area_of_a_scene_is_that_of_the_case(case):
    scene = build_scene(0, case)
    assert np.mean(np.pi * scene.nuclei.radius**2) == pytest.approx(np.pi * case.nuclear_radius_um**2, rel=1e-9)


def test_pleomorphism_and_irregularity_show_in_the_nuclei():
    def low_and_high(factor):
        return (build_scene(0, pick(CASES, key=lambda case: getattr(case, factor))) for pick in (min, max))

    low, high = low_and_high("pleomorphism")
    assert np.log(low.nuclei.radius).std() < 0.5 * np.log(high.nuclei.radius).std()
    low, high = low_and_high("irregularity")
    assert low.nuclei.stretch.mean() < high.nuclei.stretch.mean()
    assert low.nuclei.lobe.mean() < high.nuclei.lobe.mean()


def test_tissue_has_no_seam_at_the_period():
    scene = build_scene(0, CASES[0])
    y = np.linspace(0, 700, 50)
    np.testing.assert_allclose(scene.tissue_at(0 * y, y), scene.tissue_at(0 * y + TISSUE_PERIOD_UM, y), atol=1e-6)


def test_gap_share_does_not_follow_the_class():
    share = np.array([(build_scene(0, case).density < -1.1).mean() for case in CASES])
    malignant = np.array([case.malignant for case in CASES])
    error = share.std() * np.sqrt(1 / malignant.sum() + 1 / (~malignant).sum())
    assert abs(share[malignant].mean() - share[~malignant].mean()) < 3 * error


def test_a_field_sees_every_nucleus_that_reaches_into_it():
    scene = build_scene(0, max(CASES, key=lambda case: case.pleomorphism))
    x, y = site_of(0, scene, 0)
    small = scene.nuclei_near(x, y, 0.7, 20.0, 1.0)
    wide = scene.nuclei_near(x, y, 0.7, 120.0, 1.0)
    width, height = wide.half_extents(1.0)
    reaching = (np.abs(wide.x) - width < 20) & (np.abs(wide.y) - height < 20)
    assert len(small) == reaching.sum() > 0
    np.testing.assert_allclose(np.sort(small.radius), np.sort(wide.radius[reaching]))


def test_nuclei_stand_in_tissue_and_repeat_with_the_lattice():
    scene = build_scene(0, CASES[1])
    near = scene.nuclei_near(100.0, 200.0, 0.0, 60.0, 0.0)
    assert (scene.tissue_at(100 + near.x, 200 + near.y) > 0.5).all()
    # both periods at once would be far away, so tissue everywhere stands in for the second
    solid = replace(scene, density=np.full_like(scene.density, 3))
    period = LATTICE * scene.spacing_um
    first, second = (solid.nuclei_near(100.0 + shift, 200.0, 0.0, 60.0, 0.0) for shift in (0, period))
    np.testing.assert_allclose(first.x, second.x, atol=1e-9)
    np.testing.assert_array_equal(first.radius, second.radius)


def test_sites_lie_in_tissue_more_often_than_not():
    scene = build_scene(0, CASES[0])
    sites = np.array([site_of(0, scene, tile) for tile in range(40)])
    assert len(np.unique(sites, axis=0)) == 40
    assert scene.tissue_at(sites[:, 0], sites[:, 1]).mean() > 0.95


def nucleus(x=0.0, y=0.0, radius=3.5, stretch=1.0, direction=0.0, lobe=0.0, lobe_phase=0.0) -> Nuclei:
    return Nuclei(*(np.array([value]) for value in (x, y, radius, stretch, direction, lobe, lobe_phase, 1.0)))


@given(
    radius=st.floats(1.5, 8),
    stretch=st.floats(1, 1.8),
    direction=st.floats(-4, 4),
    lobe=st.floats(0, 0.4),
    phase=st.floats(0, 6.3),
)
@settings(max_examples=40, deadline=None)
def test_no_shape_factor_changes_the_area(radius, stretch, direction, lobe, phase):
    inside = touch(nucleus(0.3, -0.2, radius, stretch, direction, lobe, phase), 4, 0.05, 0.0, whole=True)
    assert len(inside.depth) * 0.05**2 == pytest.approx(np.pi * radius**2, rel=0.02)


def test_a_circle_is_a_circle():
    inside = touch(nucleus(x=1.0, radius=3.0), 21, 1.0, 0.0, whole=False)
    expected = {(c, r) for c in range(21) for r in range(21) if (c - 11) ** 2 + (r - 10) ** 2 < 9}
    assert set(zip(inside.column.tolist(), inside.row.tolist(), strict=True)) == expected
    middle = (inside.column == 11) & (inside.row == 10)
    assert inside.depth[middle][0] == pytest.approx(3.0, abs=0.01)


def test_long_axis_lies_along_the_direction():
    inside = touch(nucleus(stretch=1.6, direction=np.pi / 2), 101, 0.2, 0.0, whole=False)
    # half axes 3.5 * 1.6 and 3.5 / 1.6
    assert np.ptp(inside.row) * 0.2 / 2 == pytest.approx(5.6, abs=0.2)
    assert np.ptp(inside.column) * 0.2 / 2 == pytest.approx(2.19, abs=0.2)


def test_a_grid_that_ends_sees_the_part_within():
    cut = touch(nucleus(x=5.0), 11, 1.0, 0.0, whole=False)
    whole = touch(nucleus(x=5.0), 11, 1.0, 0.0, whole=True)
    assert cut.column.max() == 10
    kept = whole.column <= 10
    np.testing.assert_array_equal(cut.depth, whole.depth[kept])


def test_nuclei_far_away_touch_nothing():
    assert len(touch(nucleus(x=100.0), 11, 1.0, 2.0, whole=False).depth) == 0
