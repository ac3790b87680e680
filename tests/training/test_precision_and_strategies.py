"""Mixed precision, loss scaling and replicas."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.batches import read_batches
from magsig_tf.data.splits import split_of
from magsig_tf.errors import UsageError
from magsig_tf.execution.resumption import snapshot
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
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.step import TrainingStep

    config = tiny_config(**changes)
    run_config = config.for_run(
        dataset="tiny", method=config.settings.method[0], holdout="400X", patient_fold=0, seed=0
    )
    parts = RunParts(run_config, prepared, split_of(run_config, prepared))
    step = TrainingStep(parts)
    logs = []
    for index, batch in zip(range(steps), read_batches(prepared.images, prepared.labels, parts.plan, 0), strict=False):
        logs.append({name: float(value) for name, value in step(batch, index).items()})
    return parts, logs


@pytest.fixture(scope="module")
def reference(prepared):
    """The log of three steps in float32."""
    return train(prepared, precision="float32", method=["grl"])[1]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_outputs_and_weights(prepared, reference, precision):
    parts, logs = train(prepared, precision=precision, method=["grl"])
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
    common = {"encoder": "magsig_tf.testing.tiny_data:plain_encoder", "augment": [], "dropout": 0.0, "method": ["grl"]}
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


def test_replicas_share_a_batch_without_overlap_and_so_do_processes(prepared, tensorflow):
    from magsig_tf.execution.runtime import replica_slices

    parts, _ = train(prepared, steps=1, strategy="mirrored")
    whole = next(read_batches(prepared.images, prepared.labels, parts.plan, 0))
    distributed, _, _ = replica_slices(parts.strategy, (whole.images, whole.labels, whole.domains), parts.global_batch)
    slices = [part.numpy() for part in parts.strategy.experimental_local_results(distributed)]
    np.testing.assert_array_equal(np.concatenate(slices), whole.images)
    shares = read_shares(prepared, parts.plan)
    np.testing.assert_array_equal(np.concatenate([share.images for share in shares]), whole.images)
    np.testing.assert_array_equal(np.concatenate([share.domains for share in shares]), whole.domains)
    np.testing.assert_array_equal(np.concatenate([share.labels for share in shares]), whole.labels)


def read_shares(prepared, plan):
    return [next(read_batches(prepared.images, prepared.labels, plan, 0, share=(index, 3))) for index in range(3)]


def test_a_model_trained_on_replicas_predicts_the_same_when_loaded(prepared, tmp_path, tensorflow):
    """Moving statistics differ between replicas: what is saved must be what the stored predictions came from."""
    from magsig_tf.execution.observer import Observer
    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.runs.run import Run
    from magsig_tf.training.run import execute

    config = tiny_config(strategy="mirrored").for_run(
        dataset="tiny", method="baseline", holdout="400X", patient_fold=0, seed=0
    )
    run = Run.of(Workspace(tmp_path), config)
    record = execute(run, prepared, Observer()).as_json()
    assert record["strategy"] == "mirrored x 2"
    stored = pd.read_parquet(run.folder / "predictions.parquet")
    outputs = load_saved_model(run.folder / "model.keras")(prepared.images[stored["row"]].astype(np.float32))
    np.testing.assert_allclose(outputs["logit"][:, 0], stored["logit"], atol=1e-6)


def test_moving_statistics_are_averaged_over_replicas(prepared, tensorflow):
    from magsig_tf.training.step import TrainingStep

    parts, _ = train(prepared, steps=3, strategy="mirrored")
    norm = next(layer for layer in parts.classifier.get_layer("encoder").layers if hasattr(layer, "moving_mean"))
    before = [value.numpy() for value in norm.moving_mean.value.values]
    assert np.abs(before[0] - before[1]).max() > 1e-6
    TrainingStep(parts).gather_statistics()
    for value in norm.moving_mean.value.values:
        np.testing.assert_allclose(value.numpy(), (before[0] + before[1]) / 2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("wanted", "said"), [("auto", "float32 (auto: no GPU"), ("mixed_bfloat16", "mixed_bfloat16")])
def test_the_precision_that_was_picked_is_said(wanted, said, tensorflow):
    from magsig_tf.execution.runtime import describe_precision, resolve_precision

    assert describe_precision(wanted, resolve_precision(wanted)).startswith(said)
