"""Mixed precision, loss scaling and replicas."""

import numpy as np
import pytest

from magsig_tf.data.batches import read_batches
from magsig_tf.errors import UsageError
from magsig_tf.training.checkpoint import snapshot
from magsig_tf.training.run import split_of
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_dataset(Workspace(tmp_path_factory.mktemp("precision")))


@pytest.fixture(autouse=True)
def _float32_afterwards():
    import keras

    yield
    keras.config.set_dtype_policy("float32")


def train(prepared, steps=3, **changes):
    from magsig_tf.training.parts import build_parts
    from magsig_tf.training.step import TrainingStep

    config = tiny_config(**changes)
    run_config = config.for_run(
        dataset="tiny", method=config.settings.method[0], holdout="400X", patient_fold=0, seed=0
    )
    parts = build_parts(run_config, prepared, split_of(run_config, prepared))
    step = TrainingStep(parts)
    logs = []
    for index, batch in zip(range(steps), read_batches(prepared.images, prepared.labels, parts.plan, 0), strict=False):
        logs.append({name: float(value) for name, value in step(batch, index).items()})
    return parts, logs


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_outputs_and_weights(prepared, precision):
    parts, logs = train(prepared, precision=precision, method=["grl"])
    _, reference = train(prepared, precision="float32", method=["grl"])
    assert parts.classifier.get_layer("encoder").compute_dtype == precision.removeprefix("mixed_")
    outputs = parts.classifier(prepared.images[:4].astype(np.float32))
    assert {value.dtype.name for value in outputs.values()} == {"float32"}
    assert all(str(weight.dtype) == "float32" for weight in parts.classifier.weights)
    assert np.isfinite([record["loss"] for record in logs]).all()
    assert logs[0]["classification_loss"] == pytest.approx(reference[0]["classification_loss"], abs=0.05)


def test_float16_scales_the_loss_and_logs_the_true_gradient_norm(prepared):
    parts, logs = train(prepared, precision="mixed_float16", steps=2)
    _, reference = train(prepared, precision="float32", steps=2)
    assert type(parts.optimizer).__name__ == "LossScaleOptimizer"
    assert logs[0]["gradient_norm"] == pytest.approx(reference[0]["gradient_norm"], rel=0.15)


def test_two_replicas_without_batch_statistics_take_the_same_first_step_as_one(prepared, tensorflow):
    # batch norm sees half a batch on each replica, so an encoder without it is compared; SGD-like first step of AdamW
    # turns rounding into steps of the learning rate, so gradients are compared through their norm and the loss
    common = {"encoder": "tests.training.plain_encoder:build", "augment": [], "dropout": 0.0, "method": ["grl"]}
    one, logs_one = train(prepared, steps=1, strategy="one", **common)
    two, logs_two = train(prepared, steps=1, strategy="mirrored", **common)
    assert two.strategy.num_replicas_in_sync == 2
    assert one.strategy.num_replicas_in_sync == 1
    for name, value in logs_one[0].items():
        assert logs_two[0][name] == pytest.approx(value, rel=1e-5, abs=1e-7), name
    a, b = snapshot(one.variables()), snapshot(two.variables())
    close = [np.allclose(a[key], b[key], atol=1e-5) for key in a if key.startswith("classifier/")]
    assert all(close)


def test_replicas_train_with_augmentation_dropout_and_norms(prepared, tensorflow):
    _, logs = train(prepared, strategy="mirrored", method=["grl"], domain_updates=2, ema=0.5)
    assert np.isfinite([record["loss"] for record in logs]).all()


def test_a_batch_that_replicas_cannot_share_is_refused(prepared, tensorflow):
    with pytest.raises(UsageError, match="2 replicas can share, found 3 images"):
        train(prepared, strategy="mirrored", images_per_magnification=1)
