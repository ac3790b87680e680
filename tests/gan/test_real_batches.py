"""The order of a GAN's real images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.gan.step import RealBatches


def numbered(count):
    """Images of 2 x 2 pixels, each with eight different views."""
    return (np.arange(count)[:, None] * 4 + np.arange(4)).reshape(count, 2, 2, 1).astype(np.uint8)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 5))
def test_every_epoch_shows_every_image_once(count, batch, seed):
    batches = RealBatches(numbered(count), batch, ("order", seed))
    steps = -(-2 * count // batch)
    rows = np.concatenate([batches.rows(step) for step in range(steps)])
    for epoch in (0, 1):
        assert sorted(rows[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_a_batch_depends_on_the_names_and_the_step_alone():
    images = numbered(20)
    first = RealBatches(images, 8, ("a",))
    whole = list(first.read(0, 9))
    later = list(RealBatches(images, 8, ("a",)).read(5, 9))
    assert all(np.array_equal(a, b) for a, b in zip(whole[5:], later, strict=True))
    assert not np.array_equal(whole[0], next(RealBatches(images, 8, ("b",)).read(0, 1)))


def test_processes_read_disjoint_shares_of_the_same_batch():
    batches = RealBatches(numbered(20), 6, ("a",))
    shares = [next(batches.read(3, 4, share=(index, 3))) for index in range(3)]
    np.testing.assert_array_equal(np.concatenate(shares), batches.turned(3))


def test_images_are_turned_and_flipped_every_way_and_stay_as_they_are():
    images = numbered(1)
    batches = RealBatches(images, 400, ("a",))
    views, counts = np.unique(batches.turned(0).reshape(400, -1), axis=0, return_counts=True)
    assert len(views) == 8
    assert counts.min() > 25
    np.testing.assert_array_equal(np.sort(views, axis=1), np.tile(np.arange(4), (8, 1)))
    np.testing.assert_array_equal(images, numbered(1))
