"""One test runs every registered method: what a method must do to be a method."""

import numpy as np
import pytest

from magsig_tf.config_files import build_config
from magsig_tf.data.batches import read_batches
from magsig_tf.data.splits import make_split
from magsig_tf.execution.checkpoint import snapshot
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import ALONE
from magsig_tf.methods.needs import FoldGansNeeded
from magsig_tf.registry import registry
from magsig_tf.runs.run import Run
from magsig_tf.training.method_data import batch_change
from magsig_tf.training.prerequisites import needed_gans, needs_of, provide
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.made_up_gans import write_fold
from tests.tiny import tiny_config, tiny_dataset

METHODS = registry("methods").names()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_dataset(Workspace(tmp_path_factory.mktemp("methods")))


@pytest.fixture(scope="module")
def split(prepared):
    return make_split(prepared.manifest, content_hash=prepared.content_hash, holdout="400X", patient_fold=0)


def change_of(config, prepared, split):
    """Return how a method changes batches, with what it needs provided; GANs are made up, not trained."""
    run = Run.of(Workspace(prepared.folder.parents[1]), config)
    for need in needs_of(run):
        if isinstance(need, FoldGansNeeded):
            write_fold(needed_gans(run, need, prepared), prepared)
    provided = provide(run, prepared, Observer(), ALONE, execute)
    return batch_change(run, prepared, split, provided, Observer(), ALONE)[0]


def trained(prepared, split, method, steps=12, **changes):
    from magsig_tf.training.parts import build_parts
    from magsig_tf.training.step import TrainingStep

    config = tiny_config(method=[method], epochs=10, augment=[], dropout=0.0, gan_size=16, **changes)
    change = change_of(config, prepared, split)
    parts = build_parts(config, prepared, split)
    step = TrainingStep(parts)
    logs, taken = [], 0
    while taken < steps:
        for batch in read_batches(prepared.images, prepared.labels, parts.plan, epoch=taken, change=change):
            logs.append({name: float(value) for name, value in step(batch, taken).items()})
            taken += 1
    return parts, logs


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_finite_and_falls(prepared, split, method):
    _, logs = trained(prepared, split, method)
    assert all(np.isfinite(value) for record in logs for value in record.values())
    losses = [record["classification_loss"] for record in logs]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("method", METHODS)
def test_encoder_label_head_and_own_networks_all_learn(prepared, split, method):
    from magsig_tf.training.parts import build_parts

    config = tiny_config(method=[method], epochs=10, augment=[], dropout=0.0)
    before = snapshot(build_parts(config, prepared, split).variables())
    parts, _ = trained(prepared, split, method)
    after = snapshot(parts.variables())
    assert set(before) == set(after)
    for prefix in ("classifier/", *(f"network.{name}/" for name in parts.method.networks)):
        changed = [not np.array_equal(before[key], after[key]) for key in before if key.startswith(prefix)]
        # a bias can stay where it was; most weights may not
        assert np.mean(changed) > 0.6, prefix


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(prepared, split, method):
    first, _ = trained(prepared, split, method, steps=4)
    second, _ = trained(prepared, split, method, steps=4)
    other, _ = trained(prepared, split, method, steps=4, seed=[1])
    a, b, c = (snapshot(parts.variables()) for parts in (first, second, other))
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert any(not np.array_equal(a[key], c[key]) for key in a)


def test_methods_of_a_seed_start_from_the_same_classifier(prepared, split):
    from magsig_tf.training.parts import build_parts

    starts = []
    for method, holdout in (("baseline", "400X"), ("grl", "400X"), ("grl", "40X")):
        config = tiny_config(method=[method], holdout=[holdout])
        own = make_split(prepared.manifest, content_hash="x", holdout=holdout, patient_fold=2)
        starts.append([weight.numpy() for weight in build_parts(config, prepared, own).classifier.weights])
    for other in starts[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(starts[0], other, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_a_trained_classifier_survives_saving(prepared, split, method, tmp_path):
    import keras

    parts, _ = trained(prepared, split, method, steps=2)
    parts.classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels = prepared.images[:8].astype(np.float32)
    assert set(loaded.output) == {"embedding", "logit"}
    np.testing.assert_array_equal(loaded(pixels)["logit"], parts.classifier(pixels)["logit"])


def gradient_of_encoder(parts, batch, strength):
    """Return the encoder's gradient from the domain loss alone, at a reversal strength."""
    import tensorflow as tf

    from magsig_tf.methods.contract import StepTensors

    parts.method.state["lambda"].assign(strength)
    with tf.GradientTape() as tape:
        outputs = parts.classifier(batch.images.astype(np.float32), training=False)
        tensors = StepTensors(
            tf.constant(batch.labels),
            tf.constant(batch.domains),
            outputs["embedding"],
            outputs["logit"],
            tf.constant(0.5),
            parts.global_batch,
        )
        _, logs = parts.method.loss(tensors)
    encoder = parts.classifier.get_layer("encoder")
    return tape.gradient(logs["domain_loss"], encoder.trainable_variables)


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_grl_hands_the_encoder_exactly_minus_lambda_times_the_gradient(prepared, split, strength):
    parts, _ = trained(prepared, split, "grl", steps=4)
    batch = next(read_batches(prepared.images, prepared.labels, parts.plan, epoch=0))
    # strength -1 reverses the reversal: the gradient without it
    plain = gradient_of_encoder(parts, batch, -1.0)
    reversed_ = gradient_of_encoder(parts, batch, strength)
    assert max(float(np.abs(g).max()) for g in plain) > 1e-5
    for without, with_ in zip(plain, reversed_, strict=True):
        np.testing.assert_allclose(with_, -strength * without.numpy(), rtol=1e-4, atol=1e-7)


def test_lambda_follows_the_schedule(prepared, split):
    import tensorflow as tf

    parts, _ = trained(prepared, split, "grl", steps=1, lambda_max=0.5, lambda_gamma=10.0)
    for progress, expected in ((0.0, 0.0), (0.1, 0.5 * 0.46211716), (0.5, 0.5 * 0.98661430)):
        parts.method.before_step(tf.constant(progress))
        assert float(parts.method.state["lambda"].numpy()) == pytest.approx(expected, abs=1e-6)


def test_more_domain_updates_train_the_head_more(prepared, split):
    _, few = trained(prepared, split, "grl", steps=10, lambda_max=0.0, domain_updates=1)
    _, many = trained(prepared, split, "grl", steps=10, lambda_max=0.0, domain_updates=8)
    assert many[-1]["domain_loss"] != few[-1]["domain_loss"]
    assert config_hash(domain_updates=1) != config_hash(domain_updates=8)


def config_hash(**options):
    return build_config({"method": ["grl"], **options}).identity_hash()
