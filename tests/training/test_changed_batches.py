"""Synthetic and resampled images take places in batches that derive from names, whatever the method."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.data.batches import Batch, BatchPlan, read_batches
from magsig_tf.data.resampling import resampled
from magsig_tf.errors import RunError
from magsig_tf.gan.fold import SyntheticImages
from magsig_tf.methods.needs import ChangedImages
from magsig_tf.seeding import generator_for
from magsig_tf.training.changed_batches import FEWEST, ChangedBatches

SIZE, SMALL = 24, 12
MAGNIFICATIONS = ("40X", "100X")
RANDOM = generator_for("changed batches test")
IMAGES = RANDOM.integers(0, 200, (60, SIZE, SIZE, 3)).astype(np.uint8)
LABELS = np.arange(60) % 2
PLAN = BatchPlan({0: np.arange(30), 1: np.arange(30, 60)}, 8, ("split", 0))
GAN = ChangedImages(SMALL, resampled_share=0.5, synthetic_share=0.5)
CONTROL = ChangedImages(SMALL, resampled_share=0.5)


def made_up_pool(per_magnification=False, each=20):
    """Return synthetic images of one colour each that tells label and magnification: 100 or 200, plus 40 at 100X."""
    rows = [(label, name) for label in (0, 1) for name in (MAGNIFICATIONS if per_magnification else ("",))] * each
    label, magnification = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    colour = 100 + 100 * label + 40 * (magnification == "100X")
    images = np.broadcast_to(colour[:, None, None, None], (len(rows), SMALL, SMALL, 3)).astype(np.uint8)
    return SyntheticImages(images, label.astype(str), label, magnification)


def change(asked, pool=None, names=("split", 0), usable=None):
    return ChangedBatches(asked, PLAN.batch_size, names, MAGNIFICATIONS, pool, usable)


def epoch(changed=None, number=0, **keywords):
    return list(read_batches(IMAGES, LABELS, PLAN, number, change=changed, **keywords))


def kinds(batch, original):
    """Return what became of each image: 0 nothing, 1 resampled, 2 synthetic."""
    found = []
    for image, before in zip(batch.images, original.images, strict=True):
        if np.array_equal(image, before):
            found.append(0)
        elif np.array_equal(image, resampled(before[None], SMALL)[0]):
            found.append(1)
        else:
            assert image.std() < 1  # of one colour, but for rounding noise
            found.append(2)
    return np.array(found)


def test_half_is_synthetic_and_half_of_the_rest_resampled_where_the_control_resamples_too():
    plain, control, gan = epoch(), epoch(change(CONTROL)), epoch(change(GAN, made_up_pool()))
    rest = []
    for before, other, batch in zip(plain, control, gan, strict=True):
        in_control, in_gan = kinds(other, before), kinds(batch, before)
        assert np.bincount(in_control, minlength=3).tolist() == [8, 8, 0]
        assert (in_gan == 2).sum() == 8
        real = in_gan < 2
        assert (in_gan[real] == in_control[real]).all()
        rest.append((in_gan == 1).sum())
        for field in ("labels", "domains"):
            np.testing.assert_array_equal(getattr(batch, field), getattr(before, field))
    assert 2 <= np.mean(rest) <= 6


@pytest.mark.parametrize("per_magnification", [False, True])
def test_a_synthetic_image_has_the_label_and_magnification_of_the_one_it_replaces(per_magnification):
    for before, batch in zip(epoch(), epoch(change(GAN, made_up_pool(per_magnification))), strict=True):
        synthetic = kinds(batch, before) == 2
        colour = 100 + 100 * batch.labels[:, 0] + 40 * batch.domains * per_magnification
        found = batch.images[synthetic].mean(axis=(1, 2, 3))
        np.testing.assert_allclose(found, colour[synthetic], atol=1)


def test_without_a_change_batches_are_those_of_before():
    rows = PLAN.epoch_rows(0)
    for batch, step in zip(epoch(), rows, strict=True):
        np.testing.assert_array_equal(batch.images, IMAGES[step.reshape(-1)])
    for untouched in (ChangedImages(SMALL), ChangedImages(SMALL, resampled_share=0.0, synthetic_share=0.0)):
        for before, batch in zip(epoch(), epoch(change(untouched)), strict=True):
            np.testing.assert_array_equal(batch.images, before.images)


def test_an_epoch_can_begin_in_the_middle_and_be_shared_among_processes():
    changed = change(GAN, made_up_pool())
    whole = epoch(changed, 3)
    for batch, again in zip(whole[2:], epoch(changed, 3, first_step=2), strict=True):
        np.testing.assert_array_equal(batch.images, again.images)
    shares = [epoch(changed, 3, share=(index, 2)) for index in range(2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        np.testing.assert_array_equal(batch.images, np.concatenate([part.images for part in parts]))


def test_steps_epochs_and_seeds_draw_other_places():
    pool = made_up_pool()
    batches = [*epoch(change(GAN, pool)), *epoch(change(GAN, pool), 1)]
    plain = [*epoch(), *epoch(number=1)]
    other = epoch(change(GAN, pool, names=("split", 1)))
    found = [kinds(batch, before).tolist() for batch, before in zip(batches, plain, strict=True)]
    assert len({tuple(each) for each in found}) == len(found)
    assert kinds(other[0], plain[0]).tolist() != found[0]


def test_the_data_are_not_written_to():
    images = IMAGES.copy()
    images.flags.writeable = False
    before = images.copy()
    list(read_batches(images, LABELS, PLAN, 0, change=change(GAN, made_up_pool())))
    np.testing.assert_array_equal(images, before)


def test_images_that_may_not_be_used_are_not():
    pool = made_up_pool()
    marked = dataclasses.replace(pool, images=np.where(np.arange(40)[:, None, None, None] < 20, 7, pool.images))
    usable = np.arange(40) >= 20
    for before, batch in zip(epoch(), epoch(change(GAN, marked, usable=usable)), strict=True):
        synthetic = kinds(batch, before) == 2
        assert (batch.images[synthetic].mean(axis=(1, 2, 3)) > 90).all()


def test_too_few_images_of_a_class_are_an_error_with_the_numbers():
    pool = made_up_pool(each=FEWEST)
    usable = np.ones(len(pool), bool)
    change(GAN, pool, usable=usable)
    usable[1] = False  # a malignant one
    with pytest.raises(RunError, match=rf"at least {FEWEST} .* malignant for 40X, found 7 of 8 usable"):
        change(GAN, pool, usable=usable)
    with pytest.raises(RunError, match="found none"):
        change(GAN)


@given(share=st.floats(0, 0.9), step=st.integers(0, 50))
def test_the_number_of_synthetic_images_is_the_share_rounded(share, step):
    asked = ChangedImages(SMALL, synthetic_share=share)
    blank = Batch(
        np.zeros((PLAN.batch_size, SMALL, SMALL, 3), np.uint8),
        np.ones((PLAN.batch_size, 1), np.float32),
        np.zeros(PLAN.batch_size, np.int32),
        np.zeros(PLAN.batch_size, np.int32),
    )
    changed = change(asked, made_up_pool())(blank, 0, step, slice(0, PLAN.batch_size))
    assert (changed.images.max(axis=(1, 2, 3)) > 0).sum() == int(share * PLAN.batch_size + 0.5)
