import numpy as np
import pytest

from magsig_tf.data.phantom import PhantomSettings, draw_cases
from magsig_tf.data.phantom.optics import OBJECTIVES, optical_density, photograph, textures_for

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
