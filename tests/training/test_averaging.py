"""Which steps are averaged: worked by hand after algorithm 1 of the paper."""

import json

import numpy as np
import pytest

from magsig_tf.execution.evaluated_weights import Stretch, StretchMean
from magsig_tf.training.selection import WindowChoice


def stretch(number, loss, length=2):
    """Return the number-th stretch of some steps; its weights are the number of the step."""
    steps = np.arange(number * length + 1, (number + 1) * length + 1)
    return Stretch(int(steps[0]), int(steps[-1]), loss, [np.array([steps.sum()], np.float64)])


def chosen(losses, start=3, end=2, tolerance=1.5):
    choice = WindowChoice(start, end, tolerance)
    for number, loss in enumerate(losses):
        choice.take(stretch(number, loss))
    return choice


@pytest.mark.parametrize(
    ("losses", "first", "last", "closed"),
    [
        # begins with the first loss that the two after it do not fall below, ends before two above 1.5 * 2.2
        ([5, 4, 2, 2.2, 2.4, 3.0, 3.4, 3.5, 1.0], 2, 5, True),
        # one above the threshold does not end it, and belongs to it
        ([5, 2, 2.2, 2.4, 9, 3.0, 3.2], 1, 6, False),
        # one at the very end follows the window and belongs to it
        ([5, 2, 2.2, 2.4, 9], 1, 4, False),
        # a tie: the earlier one
        ([2, 2, 2], 0, 2, False),
        # still falling: the best stretch alone
        ([5, 4, 3, 2], 3, 3, False),
        ([5, 4], 1, 1, False),
        # no number
        ([5, float("inf"), 2, 2.2, 2.4], 2, 4, False),
    ],
)
def test_the_window_is_that_of_the_algorithm(losses, first, last, closed):
    choice = chosen(losses)
    window = choice.window()
    assert (window.first_step, window.last_step) == (2 * first + 1, 2 * last + 2)
    assert choice.closed == closed
    np.testing.assert_allclose(window.mean()[0], (2 * first + 1 + 2 * last + 2) / 2)


def test_two_in_a_row_above_the_threshold_within_the_first_ones_end_it():
    choice = chosen([2, 9, 9, 1, 1, 1], end=2, tolerance=1.0)
    assert choice.closed
    assert (choice.window().first_step, choice.window().last_step) == (1, 2)


def test_without_a_finite_loss_there_is_no_window():
    assert chosen([float("nan"), float("inf")]).window() is None


@pytest.mark.parametrize("cut", range(9))
def test_it_goes_on_from_a_checkpoint_to_the_same_window(cut):
    losses = [5, 4, 2, 2.2, 2.4, 9, 3.0, 9, 9]
    whole, broken = chosen(losses), chosen(losses[:cut])
    resumed = WindowChoice(3, 2, 1.5)
    resumed.restore(broken.arrays(), json.loads(json.dumps(broken.facts())))
    for number in range(cut, len(losses)):
        resumed.take(stretch(number, losses[number]))
    assert resumed.facts() == whole.facts()
    np.testing.assert_array_equal(resumed.window().mean()[0], whole.window().mean()[0])


def test_the_mean_over_steps_is_exact_enough_and_can_be_emptied(tensorflow):
    import keras

    variable = keras.Variable(np.zeros(3, np.float32))
    mean = StretchMean([variable])
    update = tensorflow.function(lambda: mean.update(tensorflow.constant(0)), autograph=False)
    values = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    for value in values:
        variable.assign(value)
        update()
    found = mean.stretch(last_step=140, loss=0.5)
    assert (found.first_step, found.last_step) == (41, 140)
    np.testing.assert_allclose(found.mean()[0], values.mean(axis=0), atol=1e-6)
    mean.empty()
    variable.assign([1.0, 2.0, 3.0])
    update()
    np.testing.assert_array_equal(mean.stretch(141, 0.5).mean()[0], [1, 2, 3])
