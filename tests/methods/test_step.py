"""Numbers of the whole batch are the same on every replica, and so are their gradients."""

import numpy as np
import pytest

from magsig_tf.methods import step as replicas
from magsig_tf.methods.step import StepTensors

VALUES = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
DOMAINS = np.array([0, 1, 2, 0, 1, 2], np.int32)


@pytest.fixture(scope="module")
def strategy(tensorflow):
    cpus = [device.name for device in tensorflow.config.list_logical_devices("CPU")]
    return tensorflow.distribute.MirroredStrategy(cpus, tensorflow.distribute.ReductionToOneDevice())


def step_of(tf, values, domains):
    blank = tf.zeros((domains.shape[0], 1))
    return StepTensors(blank, domains, values, blank, tf.constant(0.5), 6, domain_count=3)


def on(strategy, tf, compute):
    """Return the sum over replicas of `compute(step)` and its gradient with respect to the embedding, [6, 2]."""

    def replica(values, domains):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = compute(step_of(tf, values, domains))
        return result, tape.gradient(result, values)

    if strategy is None:
        result, gradient = tf.function(replica, autograph=False)(tf.constant(VALUES), tf.constant(DOMAINS))
        return float(result), gradient.numpy()

    def slices(array):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(np.split(array, 2)[context.replica_id_in_sync_group])
        )

    run = tf.function(lambda *given: strategy.run(replica, args=given), autograph=False)
    result, gradient = run(slices(VALUES), slices(DOMAINS))
    parts = strategy.experimental_local_results(gradient)
    return float(sum(strategy.experimental_local_results(result))), np.concatenate([part.numpy() for part in parts])


def gathered(step):
    whole = step.gather(step.embedding)
    return step.share((whole[0, 0] + 2) ** 3 * (whole[5, 1] + 1))


def of_domains(step):
    means = step.per_domain_mean(step.embedding)
    return step.share((means[0, 0] - means[2, 0]) ** 4 + means[1, 1] ** 2)


def mean(step):
    return step.mean(step.embedding[:, 0] ** 2)


def own_part(step):
    return step.mean((replicas.own_part(step.gather(step.embedding)) * step.embedding) ** 2)


@pytest.mark.parametrize("compute", [gathered, of_domains, mean, own_part])
def test_two_replicas_give_the_number_and_the_gradient_of_one(strategy, tensorflow, compute):
    one, two = on(None, tensorflow, compute), on(strategy, tensorflow, compute)
    assert two[0] == pytest.approx(one[0], rel=1e-5)
    assert np.abs(one[1]).max() > 0.1
    np.testing.assert_allclose(two[1], one[1], rtol=1e-5, atol=1e-6)


def test_gathered_rows_stand_in_the_order_of_the_global_batch(strategy, tensorflow):
    tf = tensorflow
    index = strategy.experimental_distribute_values_from_function(
        lambda context: tf.range(3) + 3 * context.replica_id_in_sync_group
    )
    gathered = strategy.run(tf.function(replicas.gather, autograph=False), args=(index,))
    for part in strategy.experimental_local_results(gathered):
        assert part.numpy().tolist() == list(range(6))


def test_means_by_domain_are_those_worked_by_hand(tensorflow):
    found = step_of(tensorflow, tensorflow.constant(VALUES), tensorflow.constant(DOMAINS))
    means = found.per_domain_mean(found.embedding).numpy()
    np.testing.assert_allclose(
        means, [VALUES[[0, 3]].mean(0), VALUES[[1, 4]].mean(0), VALUES[[2, 5]].mean(0)], rtol=1e-6
    )


def test_an_absent_domain_has_a_mean_of_zero_and_no_nan(tensorflow):
    found = step_of(tensorflow, tensorflow.constant(VALUES[:2]), tensorflow.constant(DOMAINS[:2]))
    assert found.per_domain_mean(found.embedding).numpy()[2].tolist() == [0, 0]
