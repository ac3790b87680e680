"""What needs switches that a process cannot take back: op determinism and two virtual devices."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
from magsig_tf.models.augmentation import build_augmentation
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.models.augmentation import assign_seeds, seed_generators

names = ["QuarterTurns", "StainJitter", "CropZoom", {"RandomZoom": {"height_factor": 0.1}}]
x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layers = [keras.layers.BatchNormalization(momentum=0.5), FusedBatchNormalization(momentum=0.5)]
    for layer in layers:
        layer.build((None, 8, 8, 3))
    reversal = GradientReversal(1.0)
    augmentation = build_augmentation(names, 0)
reversal.strength.assign(0.25)
generators = seed_generators(augmentation)

def replica(step):
    # each replica sees other pixels
    images = tf.constant(x) * (1.0 + tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32))
    for layer in layers:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(reversal(layer(images, training=True)) ** 2)
        tape.gradient(loss, layer.trainable_variables)
    assign_seeds(generators, 0, step)
    return augmentation(tf.constant(x), training=True)

step = tf.function(lambda number: strategy.run(replica, [number]))
first, second = (strategy.experimental_local_results(step(tf.constant(number, tf.int64))) for number in (0, 0))
for a, b in zip(first, second):
    assert np.array_equal(a, b), "a repeated step differs"
assert not np.array_equal(first[0], first[1]), "replicas augment alike"
alone = build_augmentation(names, 0)
assign_seeds(seed_generators(alone), 0, 0)
assert np.array_equal(alone(x, training=True), first[0]), "replica 0 differs from a single process"
for name in ("moving_mean", "moving_variance"):
    values = [strategy.experimental_local_results(getattr(layer, name).value) for layer in layers]
    stock, fused = ([np.asarray(value) for value in replicas] for replicas in values)
    np.testing.assert_allclose(fused, stock, rtol=1e-5)
    assert not np.allclose(fused[0], fused[1]), "moving statistics belong to a replica"
print("passed")
"""


def test_deterministic_and_mirrored():
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.stdout.strip().endswith("passed"), done.stderr[-3000:]
