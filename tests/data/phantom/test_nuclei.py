import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.phantom.nuclei import Nuclei, touch


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
