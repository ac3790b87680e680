"""Batch statistics estimated over rows, held against their definition."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.execution.evaluated_weights import BatchStatistics, pooled
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization

KINDS = {"fused": FusedBatchNormalization, "stock": keras.layers.BatchNormalization}


def batches_with_different_means(count=3):
    random = np.random.default_rng(0)
    return [random.normal(2.0 + 5 * place, 3.0, (8, 4, 4, 3)).astype(np.float32) for place in range(count)]


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_variance_are_those_of_all_rows_together(kind, momentum):
    norm = KINDS[kind](momentum=momentum)
    model = keras.Sequential([keras.Input((4, 4, 3)), norm])
    batches = batches_with_different_means()
    BatchStatistics(model).estimate(batches)
    rows = np.concatenate(batches)
    np.testing.assert_allclose(norm.moving_mean.numpy(), rows.mean((0, 1, 2)), rtol=1e-5)
    # batches of different means: the variance within them alone would be 9 instead of about 26
    np.testing.assert_allclose(norm.moving_variance.numpy(), rows.var((0, 1, 2)), rtol=1e-4)
    assert norm.momentum == momentum
    assert "call" not in vars(norm)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_by_batch_leave_the_statistics_as_they_are(kind):
    norm = KINDS[kind]()
    model = keras.Sequential([keras.Input((4, 4, 3)), norm])
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    (output, _) = BatchStatistics(model).outputs(batches_with_different_means(2))
    np.testing.assert_allclose(output.numpy().mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(norm.moving_variance.numpy(), [1.0, 1.0, 1.0])


def test_statistics_that_are_no_numbers_do_not_survive():
    norm = FusedBatchNormalization()
    model = keras.Sequential([keras.Input((4, 4, 3)), norm])
    norm.moving_mean.assign([np.nan, np.inf, 0.0])
    BatchStatistics(model).estimate(batches_with_different_means())
    assert np.isfinite(norm.moving_mean.numpy()).all()


def test_dropout_does_not_enter():
    norm = FusedBatchNormalization()
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Dropout(0.5), norm])
    batches = batches_with_different_means()
    BatchStatistics(model).estimate(batches)
    np.testing.assert_allclose(norm.moving_variance.numpy(), np.concatenate(batches).var((0, 1, 2)), rtol=1e-4)


def test_frozen_layers_normalise_and_stay_as_they_are():
    frozen, served = FusedBatchNormalization(), FusedBatchNormalization()
    model = keras.Sequential([keras.Input((4, 4, 3)), frozen, served])
    frozen.trainable = False
    batches = batches_with_different_means()
    statistics = BatchStatistics(model)
    statistics.estimate(batches)
    np.testing.assert_array_equal(frozen.moving_mean.numpy(), np.zeros(3))
    rows = np.concatenate(batches) / np.sqrt(1 + frozen.epsilon)
    np.testing.assert_allclose(served.moving_mean.numpy(), rows.mean((0, 1, 2)), rtol=1e-4)


def test_a_network_without_batch_norm_is_left_alone():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = [weight.numpy() for weight in model.weights]
    statistics = BatchStatistics(model)
    statistics.estimate([np.ones((4, 3), np.float32)])
    assert len(statistics.outputs([np.ones((4, 3), np.float32)])) == 1
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**31))
def test_pooling_any_batches_equals_taking_their_rows_together(sizes, seed):
    random = np.random.default_rng(seed)
    batches = [random.normal(random.normal() * 4, 1, (size, 2)) for size in sizes]
    means, variances = (np.stack([getattr(batch, name)(axis=0) for batch in batches]) for name in ("mean", "var"))
    mean, variance = pooled(means, variances, np.array(sizes, float))
    rows = np.concatenate(batches)
    np.testing.assert_allclose(mean, rows.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(variance, rows.var(axis=0), atol=1e-9)
