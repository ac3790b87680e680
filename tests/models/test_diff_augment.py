"""DiffAugment against one plain pass after another, and its gradient against its own linear part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.models.dcgan import DRAWS, diff_augment

SIZE = 16
LAST = np.nextafter(np.float32(1), np.float32(0))  # the largest draw


def plain(images, draws):
    """Each of the published changes in turn, image by image."""
    changed = []
    for image, (brightness, saturation, contrast, *places) in zip(images.astype(float), draws, strict=True):
        image = image + (brightness - 0.5)
        grey = image.mean(axis=2, keepdims=True)
        image = grey + (image - grey) * 2 * saturation
        image = image.mean() + (image - image.mean()) * (contrast + 0.5)
        down, right = (int(np.floor(place * 5)) - 2 for place in places[:2])
        moved = np.zeros_like(image)
        rows, columns = np.arange(SIZE) - down, np.arange(SIZE) - right
        inside = np.ix_((rows >= 0) & (rows < SIZE), (columns >= 0) & (columns < SIZE))
        moved[inside] = image[np.ix_(rows[(rows >= 0) & (rows < SIZE)], columns[(columns >= 0) & (columns < SIZE)])]
        row, column = (int(np.floor(place * (SIZE + 1))) for place in places[2:])
        moved[max(row - 4, 0) : max(row + 4, 0), max(column - 4, 0) : max(column + 4, 0)] = 0
        changed.append(moved)
    return np.array(changed)


@settings(max_examples=30)
@given(st.lists(st.floats(0, float(LAST), width=32), min_size=2 * DRAWS, max_size=2 * DRAWS), st.integers(0, 99))
def test_it_is_the_published_changes_in_a_row(draws, seed):
    draws = np.array(draws, np.float32).reshape(2, DRAWS)
    images = np.random.default_rng(seed).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    np.testing.assert_allclose(diff_augment(images, draws), plain(images, draws), atol=1e-5)


def test_the_gradient_is_the_way_back():
    import tensorflow as tf

    random = np.random.default_rng(0)
    draws = random.uniform(size=(6, DRAWS)).astype(np.float32)
    images, other, upstream = (random.normal(size=(6, SIZE, SIZE, 3)).astype(np.float32) for _ in range(3))
    with tf.GradientTape() as tape:
        variable = tf.Variable(images)
        loss = tf.reduce_sum(diff_augment(variable, draws) * upstream)
    gradient = tape.gradient(loss, variable).numpy().astype(float)
    linear = diff_augment(other, draws).numpy().astype(float) - diff_augment(0 * other, draws)
    assert np.sum(gradient * other) == pytest.approx(np.sum(linear * upstream), rel=1e-4)


def test_a_quarter_is_cut_out_and_shifts_stay_within_an_eighth():
    draws = np.full((3, DRAWS), 0.5, np.float32)
    draws[1, 3:5], draws[2, 3:5] = 0.0, LAST
    marked = np.zeros((3, SIZE, SIZE, 3), np.float32)
    marked[:, 2, 2] = 1.0
    draws[:, 5:7] = LAST  # the square hangs over the far corner
    places = [np.argwhere(image.sum(axis=2) > 0.5).tolist() for image in diff_augment(marked, draws).numpy()]
    assert places == [[[2, 2]], [[0, 0]], [[4, 4]]]
    ones = diff_augment(np.ones((1, SIZE, SIZE, 3), np.float32), np.full((1, DRAWS), 0.5, np.float32)).numpy()
    assert (ones == 0).mean() == pytest.approx(0.25)
