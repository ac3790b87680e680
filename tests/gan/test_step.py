"""One step of a GAN: replicas, loss scaling, and nothing that waits for the host."""

import numpy as np
import pytest

from magsig_tf.gan.step import GanStep, build_gan
from tests.gan.tiny_gan import SEED_NAMES, tiny_images, tiny_options, tiny_settings
from tests.training.test_host_waits import CALLS_THE_HOST

IMAGES = tiny_images(8)


def first_step(precision="float32", **settings):
    """Return the parts, the step and its logs; spectral normalization keeps batch statistics out of one network."""
    import keras

    keras.config.set_dtype_policy(precision)
    try:
        options = tiny_options(gan_spectral_norm=True, gan_loss="hinge")
        parts = build_gan(16, options, tiny_settings(**settings), precision, SEED_NAMES)
        step = GanStep(parts)
        return parts, step, {name: float(value) for name, value in step(IMAGES, 0).items()}
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def one(tensorflow):
    return first_step()


def test_two_replicas_take_the_step_of_one(one):
    two = first_step(strategy="mirrored", synchronized_batch_norm=True)
    assert two[0].strategy.num_replicas_in_sync == 2
    for name, value in one[2].items():
        assert two[2][name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
    vectors = [layer.vector for layer in two[0].discriminator.layers if hasattr(layer, "vector")]
    for vector in vectors:
        a, b = (value.numpy() for value in vector.value.values)
        np.testing.assert_array_equal(a, b)


def test_float16_scales_both_losses_and_logs_the_true_gradients(one):
    parts, _, logs = first_step("mixed_float16")
    for name in ("generator", "discriminator"):
        assert type(parts.optimizers[name]).__name__ == "LossScaleOptimizer"
        assert logs[f"{name}_gradient_norm"] == pytest.approx(one[2][f"{name}_gradient_norm"], rel=0.15)
        assert logs[f"{name}_loss"] == pytest.approx(one[2][f"{name}_loss"], abs=0.05)


def test_both_networks_and_the_average_move(one):
    parts = one[0]
    fresh = build_gan(16, parts.options, tiny_settings(), "float32", SEED_NAMES)
    for name in ("generator", "discriminator"):
        pairs = zip(getattr(parts, name).trainable_variables, getattr(fresh, name).trainable_variables, strict=True)
        moved = [np.abs(a.numpy() - b.numpy()).max() for a, b in pairs]
        # Adam's first step is the learning rate, wherever there is a gradient
        assert max(moved) == pytest.approx(parts.options.gan_learning_rate, rel=0.05)
        assert np.mean(np.array(moved) > 1e-4) > 0.8
    assert not np.array_equal(parts.average.averages[0], fresh.average.averages[0])


def test_no_operation_of_a_step_calls_the_host(one, tensorflow):
    step = one[1]
    graph = step._compiled.get_concrete_function(
        tensorflow.constant(IMAGES), tensorflow.constant(0, tensorflow.int64)
    ).graph
    kinds = {op.type for op in graph.get_operations()}
    kinds |= {node.op for function in graph.as_graph_def().library.function for node in function.node_def}
    assert "FusedBatchNormV3" in kinds
    assert not kinds & CALLS_THE_HOST
