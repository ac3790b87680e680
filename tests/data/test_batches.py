"""The order of images is a pure function of (names, epoch, step)."""

import numpy as np
import pytest

from magsig_tf.data.batches import BatchPlan, read_batches
from magsig_tf.parallel_work import read_ahead

ROWS = {0: np.arange(10), 1: np.arange(10, 13)}
GOLDEN = [8, 10, 1, 11, 5, 12, 0, 11, 3, 10, 9, 12, 7, 12, 6, 10, 4, 11, 2, 11]


def test_an_epoch_sees_every_image_of_the_largest_magnification_and_cycles_the_smaller():
    plan = BatchPlan(ROWS, 2, ("split", 0))
    rows = plan.epoch_rows(0)
    assert rows.shape == (5, 2, 2)
    assert sorted(rows[:, :, 0].reshape(-1)) == list(range(10))
    small = rows[:, :, 1].reshape(-1)
    assert all(sorted(small[i : i + 3]) == [10, 11, 12] for i in (0, 3, 6))


def test_orders_repeat_by_name_and_differ_between_epochs_and_seeds():
    plan = BatchPlan(ROWS, 2, ("split", 0))
    assert np.array_equal(plan.epoch_rows(3), BatchPlan(ROWS, 2, ("split", 0)).epoch_rows(3))
    assert not np.array_equal(plan.epoch_rows(0), plan.epoch_rows(1))
    assert not np.array_equal(plan.epoch_rows(0), BatchPlan(ROWS, 2, ("split", 1)).epoch_rows(0))


def test_every_slice_of_a_batch_holds_each_magnification():
    images = np.arange(13, dtype=np.uint8)[:, None, None, None]
    labels = np.arange(13) % 2
    plan = BatchPlan(ROWS, 2, ("split", 0))
    batches = list(read_batches(images, labels, plan, epoch=0))
    assert len(batches) == 5
    for batch, rows in zip(batches, plan.epoch_rows(0), strict=True):
        assert batch.domains.tolist() == [0, 1, 0, 1]
        assert batch.images[:, 0, 0, 0].tolist() == rows.reshape(-1).tolist()
        assert batch.labels[:, 0].tolist() == (rows.reshape(-1) % 2).tolist()


def test_reading_can_begin_in_the_middle_of_an_epoch():
    images = np.arange(13, dtype=np.uint8)[:, None, None, None]
    plan = BatchPlan(ROWS, 2, ("split", 0))
    whole = [batch.images for batch in read_batches(images, np.zeros(13), plan, epoch=1)]
    rest = [batch.images for batch in read_batches(images, np.zeros(13), plan, epoch=1, first_step=3)]
    assert np.array_equal(whole[3:], rest)


def test_an_error_while_reading_ahead_reaches_the_reader():
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(lambda item: 1 / item, [1, 0]))


def test_leaving_early_stops_the_reading_thread():
    seen = []
    results = read_ahead(lambda item: seen.append(item) or item, range(1000))
    assert next(results) == 0
    results.close()
    assert len(seen) < 10


def paired_plan(epochs_of_cases):
    """Return a paired plan of two magnifications: rows 0 to 7 and 8 to 13, of the given cases."""
    return BatchPlan({0: np.arange(8), 1: np.arange(8, 14)}, 2, ("split", 0), epochs_of_cases, paired=True)


def test_a_paired_plan_puts_images_of_one_case_side_by_side_wherever_it_has_some():
    cases = np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 2, 2, 2], np.int32)  # case 3 has none at the second
    plan = paired_plan(cases)
    for epoch in range(3):
        rows = plan.epoch_rows(epoch).reshape(-1, 2)
        same = cases[rows[:, 0]] == cases[rows[:, 1]]
        assert same.tolist() == (cases[rows[:, 0]] != 3).tolist()
        assert set(rows[:, 1]) <= set(range(8, 14))
        # two images of a case meet two different partners where the case has them
        partners = rows[cases[rows[:, 0]] == 2, 1]
        assert len(set(partners)) == 2


def test_a_paired_plan_keeps_the_order_of_the_largest_magnification_and_repeats():
    cases = np.arange(14, dtype=np.int32) % 4
    paired, plain = paired_plan(cases), BatchPlan({0: np.arange(8), 1: np.arange(8, 14)}, 2, ("split", 0), cases)
    np.testing.assert_array_equal(paired.epoch_rows(1)[..., 0], plain.epoch_rows(1)[..., 0])
    np.testing.assert_array_equal(paired.epoch_rows(1), paired_plan(cases).epoch_rows(1))
    assert not np.array_equal(paired.epoch_rows(0), paired.epoch_rows(1))


def test_the_default_order_is_that_of_every_version_before():
    rows = BatchPlan(ROWS, 2, ("split", 0), np.arange(13, dtype=np.int32)).epoch_rows(0)
    assert rows.reshape(-1).tolist() == GOLDEN


def test_a_batch_says_whose_images_it_holds():
    cases = np.arange(13, dtype=np.int32) // 2
    images, labels = np.zeros((13, 1, 1, 1), np.uint8), np.zeros(13, int)
    plan = BatchPlan(ROWS, 2, ("split", 0), cases)
    for batch, rows in zip(read_batches(images, labels, plan, epoch=0), plan.epoch_rows(0), strict=True):
        np.testing.assert_array_equal(batch.cases, cases[rows.reshape(-1)])
    unknown = next(read_batches(images, labels, BatchPlan(ROWS, 2, ("split", 0)), epoch=0))
    assert unknown.cases.tolist() == [-1] * 4
