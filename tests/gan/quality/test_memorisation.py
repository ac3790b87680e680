"""A generator that copies is caught, in whatever disguise; noise, blur and honest samples are not."""

import numpy as np
import pytest

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.quality.features import pixel_features
from magsig_tf.gan.quality.neighbours import Distances, memorisation, nearest_by_case
from magsig_tf.seeding import generator_for


def found(real, synthetic, case):
    distances = Distances.between(real, synthetic)
    return memorisation(distances.real, distances.cross, case)


def test_by_hand():
    # cases 0, 1, 2 on a line; nearest of another case: 10, 9, 9, 40
    real, case = np.array([[0.0], [1.0], [10.0], [50.0]]), np.array([0, 0, 1, 2])
    np.testing.assert_array_equal(
        nearest_by_case(np.array([[4.0], [1.0], [9.0], [16.0]]), case), [[1.0], [9.0], [16.0]]
    )
    scores = found(real, np.array([[10.1], [30.0]]), case)
    # 10.1 is 0.1 from one image and 9.1 from the next case; 30 is 20 from two
    assert scores["copied"] == 0.5
    assert scores["nearest_ratio"] == pytest.approx(np.median([0.1, 20]) / np.median([10, 9, 9, 40]))
    # 0 and 1 are 1 apart, and 10 and 9 from the next case; the least ratio of the yardstick is 9 / 49
    assert scores["copied_same_case"] == 1


@pytest.fixture(scope="module")
def tiles():
    """Layouts of 8 x 8 random colours, at 32 px, with grain: 40 cases of 4 images."""
    random = generator_for("memorisation tiles")

    def drawn(count):
        layout = random.uniform(40, 215, (count, 8, 8, 3)).repeat(4, 1).repeat(4, 2)
        return np.clip(layout + random.normal(0, 20, layout.shape), 0, 255).astype(np.uint8)

    return drawn(160), np.arange(160) // 4, drawn


def test_copies_are_caught_and_others_are_not(tiles):
    real, case, drawn = tiles
    pixels = pixel_features()
    random = generator_for("memorisation test")

    def share(synthetic):
        return found(pixels(real), pixels(synthetic), case)["copied"]

    copies = real[random.integers(0, 160, 60)]
    assert share(copies) == 1
    disturbed = np.clip(copies * random.uniform(0.95, 1.05, (60, 1, 1, 3)) + random.normal(0, 8, copies.shape), 0, 255)
    assert share(disturbed.astype(np.uint8)) == 1
    assert share(random.integers(0, 256, copies.shape, dtype=np.uint8)) == 0
    others = drawn(60)
    assert share(others) <= 0.05
    blurred = others.reshape(60, 4, 8, 4, 8, 3).mean((2, 4)).repeat(8, 1).repeat(8, 2)
    assert share(blurred.astype(np.uint8)) <= 0.05
    assert share(np.repeat(real.mean(0, keepdims=True), 60, 0).astype(np.uint8)) == 0
    assert found(pixels(real), pixels(copies[:1].repeat(9, 0)), case)["nearest_ratio"] == 0


def test_fewer_than_three_cases_say_so():
    real = np.arange(6.0)[:, None]
    with pytest.raises(NotDefinedError, match="3 cases"):
        found(real, real, np.array([0, 0, 0, 1, 1, 1]))
    with pytest.raises(NotDefinedError, match="two cases"):
        found(np.zeros((6, 1)), real, np.array([0, 0, 1, 1, 2, 2]))
