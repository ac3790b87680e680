"""Gradient reversal by hand: what the head sees, how the push fades, and when the log warns."""

import math

import numpy as np
import pytest

from magsig_tf.config_files import build_config
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.run_log import read_log
from magsig_tf.methods.contract import StepTensors, Task
from magsig_tf.methods.grl import GradientReversalMethod, GradientReversalOptions
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset

PLAIN = {"reversal": "plain", "domain_normalization": "none", "domain_updates": 1}
LENGTH, IMAGES = 6, 9


def method_of(domains=3, **options):
    names = tuple("abcdef"[:domains])
    task = Task(embedding_length=LENGTH, source_magnifications=names, seed=0, global_batch=IMAGES)
    method = GradientReversalMethod(GradientReversalOptions(**options), task)
    method.state["lambda"].assign(0.5)
    return method


def step_of(embedding):
    import tensorflow as tf

    labels = tf.zeros((IMAGES, 1))
    domains = tf.constant(np.arange(IMAGES) % 3, tf.int32)
    return StepTensors(labels, domains, embedding, tf.zeros((IMAGES, 1)), tf.constant(0.5), IMAGES)


def embeddings(scale=1.0):
    import tensorflow as tf

    return tf.constant(scale * np.random.default_rng(0).normal(1, 1, (IMAGES, LENGTH)), tf.float32)


def gradient_of_domain_loss(method, embedding):
    """Return the gradient that reaches the embedding, and the head's loss on each image."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(embedding)
        _, logs = method.loss(step_of(embedding))
    losses, _ = method._losses(step_of(embedding), embedding)
    return tape.gradient(logs["domain_loss"], embedding).numpy(), losses.numpy()


def test_the_scale_of_an_embedding_cannot_fool_a_normalised_head():
    normalised, plain = method_of(), method_of(**PLAIN)
    losses = {
        (name, scale): float(method.loss(step_of(embeddings(scale)))[1]["domain_loss"])
        for name, method in (("layer", normalised), ("none", plain))
        for scale in (1.0, 100.0)
    }
    assert losses["layer", 100.0] == pytest.approx(losses["layer", 1.0], abs=0.02)
    assert losses["none", 100.0] > 10 * losses["none", 1.0]


def test_the_push_on_each_image_fades_to_zero_as_its_loss_rises_to_that_of_guessing():
    faded, plain = method_of(), method_of(reversal="plain")
    found, losses = gradient_of_domain_loss(faded, embeddings())
    wanted, _ = gradient_of_domain_loss(plain, embeddings())
    push = np.clip(1 - losses / math.log(3), 0, 1)
    assert push.min() == 0 < push.max(), "the embeddings of this test must have images on both sides"
    np.testing.assert_allclose(found, push[:, None] * wanted, rtol=1e-4, atol=1e-7)


def test_the_plain_form_is_that_of_the_paper():
    import tensorflow as tf

    method, embedding = method_of(**PLAIN), embeddings()
    found, _ = gradient_of_domain_loss(method, embedding)
    layers = [layer for layer in method.networks["domain"].layers if layer.weights and layer.name != "reversal"]
    with tf.GradientTape() as tape:
        tape.watch(embedding)
        x = embedding
        for number, layer in enumerate(layers):
            x = x @ layer.kernel + layer.bias
            x = tf.nn.relu(x) if number < len(layers) - 1 else x
        domains = step_of(embedding).domains
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=domains, logits=x))
    np.testing.assert_allclose(found, -0.5 * tape.gradient(loss, embedding).numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("domain_loss", "classification_loss", "progress", "said"),
    [
        (math.log(3) + 0.4, 0.69, 0.9, []),
        (math.log(3) + 0.6, 0.5, 0.1, ["the domain head has failed"]),
        (1.0, 0.72, 0.3, []),
        (1.0, 0.72, 0.5, ["the label head has failed"]),
        (3.4, 0.96, 1.0, ["the domain head has failed", "the label head has failed"]),
    ],
)
def test_an_epoch_is_warned_of_where_the_domain_or_the_label_head_has_failed(
    domain_loss, classification_loss, progress, said
):
    logs = {"domain_loss": domain_loss, "classification_loss": classification_loss}
    found = method_of().epoch_warnings(logs, progress)
    assert len(found) == len(said)
    assert all(text.startswith(beginning) for text, beginning in zip(found, said, strict=True))


def test_a_run_whose_head_is_lost_says_so_in_log_and_notes(tmp_path):
    class Notes(Observer):
        said = ""

        def note(self, text):
            self.said += text

    workspace, notes = Workspace(tmp_path), Notes()
    prepared = tiny_dataset(workspace, tinted=True)
    config = tiny_config(method=["grl"], lambda_max=100.0, clip_norm=0.0, learning_rate=0.01, epochs=4, **PLAIN)
    run = Run.of(workspace, config.for_run(dataset="tiny", method="grl", holdout="400X", patient_fold=0, seed=0))
    execute(run, prepared, notes)
    warnings = [record["text"] for record in read_log(run.folder / "log.jsonl") if record["kind"] == "warning"]
    assert any("the domain head has failed" in text for text in warnings)
    assert "Warning: the domain head has failed" in notes.said
    assert "Lower --lambda-max" in notes.said


def test_each_option_of_the_recipe_makes_another_run():
    hashes = {build_config({"method": ["grl"], **{key: value}}).identity_hash() for key, value in PLAIN.items()}
    assert len(hashes | {build_config({"method": ["grl"]}).identity_hash()}) == 4
