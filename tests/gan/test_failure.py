"""The spread of images, by hand, and when it counts as a collapse."""

import numpy as np
import pytest

from magsig_tf.gan.train import SMALLEST_SPREAD, WARM_UP, Collapsed, check_spread, spread


def test_the_spread_is_the_root_mean_square_over_pairs():
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 3, 3), np.uint8)
    pairs = [(a.astype(float) - b) ** 2 for i, a in enumerate(images) for b in images[:i]]
    assert spread(images) == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-5)


def test_images_that_are_all_the_same_have_none():
    assert spread(np.full((5, 2, 2, 3), 77, np.uint8)) == 0.0


def test_a_collapse_is_told_after_the_warm_up_alone():
    check_spread(WARM_UP - 1, 0.0)
    check_spread(WARM_UP, SMALLEST_SPREAD)
    with pytest.raises(Collapsed, match=r"found 4\.9% at step 500"):
        check_spread(WARM_UP, SMALLEST_SPREAD - 0.001)
