"""What is evaluated is what was trained: batch statistics that belong to the chosen weights."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.runs.run import Run
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset
from tests.training.slow_encoders import ENCODERS

MOMENTA = ("99", "999")
# these fit at this size in a few steps
WELL_BEHAVED = ("small_cnn", "efficientnet_lite0")


class Notes(Observer):
    """Keeps what was said."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("statistics"))
    tiny_dataset(workspace, "several", images=6)
    for size in sorted(set(ENCODERS.values())):
        tiny_dataset(workspace, f"one{size}", size=size)
    return workspace


def trained(workspace, encoder, dataset="several", observer=None, **changes):
    """Train a few steps; return the run, its record and the data."""
    prepared = PreparedDataset.open(workspace.data(dataset))
    values = {"encoder": encoder, "dropout": 0.0, "augment": [], "epochs": 1, "images_per_magnification": 8}
    values["learning_rate"] = 3e-4  # deep networks at this size are unsteady enough
    config = tiny_config(dataset=dataset, **values | changes).for_run(
        dataset=dataset, method="baseline", holdout="400X", patient_fold=0, seed=0
    )
    run = Run.of(workspace, config)
    return run, execute(run, prepared, observer or Observer()).as_json(), prepared


def two_losses(run, prepared):
    """Return the label cross-entropy of the saved model on plain training rows: inference mode, batch statistics."""
    rows = split_of(run.config, prepared).rows["train"]
    magnifications = prepared.manifest["magnification"].to_numpy()[rows]
    order = np.argsort(np.random.default_rng(0).random(len(rows)))
    rows, magnifications = rows[order], magnifications[order]
    pixels = prepared.images[rows].astype(np.float32)
    found = []
    for training in (False, True):
        model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # off in both: this is about batch statistics
        logits = model(pixels, training=training)["logit"].numpy()[:, 0]
        found.append(mean_cross_entropy(prepared.labels[rows], logits, magnifications))
    return found


def consistent(inference, by_batch):
    return abs(inference - by_batch) <= max(0.05, 0.1 * by_batch)


@pytest.mark.parametrize(
    ("encoder", "momentum"),
    [
        *(("small_cnn", momentum) for momentum in MOMENTA),
        *(pytest.param("efficientnet_lite0", momentum, marks=pytest.mark.slow) for momentum in MOMENTA),
        *(pytest.param(name, "99", marks=pytest.mark.slow) for name in ENCODERS if name not in WELL_BEHAVED),
    ],
)
def test_the_saved_model_fits_training_rows_as_the_trained_one_did(workspace, encoder, momentum):
    # deep networks end in one pixel at this size: batches of other rows differ by more than the rule, so they get one
    dataset = "several" if encoder in WELL_BEHAVED else f"one{ENCODERS[encoder]}"
    run, record, prepared = trained(workspace, f"tests.training.slow_encoders:{encoder}_{momentum}", dataset)
    check = record["training_rows"]
    assert consistent(check["inference"], check["by_batch"]), check
    if encoder in WELL_BEHAVED:
        inference, by_batch = two_losses(run, prepared)
        assert consistent(inference, by_batch), (inference, by_batch)


@pytest.mark.slow
@pytest.mark.parametrize("momentum", MOMENTA)
def test_moving_averages_do_not_arrive_and_the_run_says_so(workspace, momentum):
    notes = Notes()
    run, record, prepared = trained(
        workspace,
        f"tests.training.slow_encoders:efficientnet_lite0_{momentum}",
        observer=notes,
        batch_statistics="moving",
        epochs=4,
    )
    inference, by_batch = two_losses(run, prepared)
    assert abs(inference - by_batch) > 0.2
    check = record["training_rows"]
    assert check["inference"] == pytest.approx(inference, abs=0.02)
    assert check["images"] > 0
    assert any("what is evaluated is not what was trained" in text for text in notes.said)
    assert any(f"{check['inference']:.3f} in inference mode" in text for text in notes.said)


def test_the_rule_makes_another_run_and_stands_in_its_record(workspace):
    folders, rules = set(), set()
    for rule in ("reestimated", "moving", "frozen"):
        run, record, _ = trained(workspace, "tests.training.slow_encoders:small_cnn_99", batch_statistics=rule)
        folders.add(run.folder)
        rules.add(record["batch_statistics"])
        assert json.loads((run.folder / "run.json").read_text())["batch_statistics"] == rule
    assert len(folders) == 3
    assert rules == {"reestimated", "moving", "frozen"}


def test_estimating_changes_nothing_of_what_is_trained(workspace):
    from magsig_tf.training.evaluated_network import EvaluatedNetwork
    from magsig_tf.training.parts import RunParts

    run, _, prepared = trained(workspace, "tests.training.slow_encoders:small_cnn_99")
    parts = RunParts(run.config, prepared, split_of(run.config, prepared))
    before = {name: variable.numpy() for name, variable in parts.variables().items()}
    used = EvaluatedNetwork(parts, prepared, run.config.settings)
    used.take_weights()
    used.check_training_rows()
    assert all(np.array_equal(before[name], variable.numpy()) for name, variable in parts.variables().items())
    evaluated = [variable.numpy() for variable in parts.evaluated.weights]
    classifier = [variable.numpy() for variable in parts.classifier.weights]
    assert any(not np.array_equal(a, b) for a, b in zip(evaluated, classifier, strict=True))


def test_statistics_come_from_plain_training_rows_with_as_many_of_each_source(workspace):
    from magsig_tf.training.evaluated_network import EvaluatedNetwork
    from magsig_tf.training.parts import RunParts

    run, _, prepared = trained(workspace, "tests.training.slow_encoders:small_cnn_99")
    split = split_of(run.config, prepared)
    used = EvaluatedNetwork(RunParts(run.config, prepared, split), prepared, run.config.settings)
    batches = used.rows()
    assert set(batches.ravel()) <= set(split.rows["train"])
    for batch in batches:
        counts = prepared.manifest["magnification"].iloc[batch].value_counts()
        assert set(counts.index) == set(split.source_magnifications)
        assert counts.nunique() == 1


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"encoder": "small_cnn"}, "reestimated"),
        ({"encoder": "efficientnet_lite0"}, "frozen"),
        ({"encoder": "efficientnet_lite0", "weights": "none"}, "reestimated"),
        ({"encoder": "efficientnet_lite0", "weights": "none", "batch_statistics": "frozen"}, "frozen"),
        ({"encoder": "small_cnn", "weights": "mine.weights.h5"}, "frozen"),
        ({"encoder": "resnet50", "batch_statistics": "moving"}, "moving"),
    ],
)
def test_auto_freezes_statistics_that_came_with_weights(settings, rule):
    from magsig_tf.training.parts import batch_statistics_rule

    assert batch_statistics_rule(tiny_config(**settings).settings) == rule


def test_a_run_records_the_rule_that_auto_came_to(workspace):
    _, record, _ = trained(workspace, "tests.training.slow_encoders:small_cnn_99")
    assert record["batch_statistics"] == "reestimated"


def trained_beside_poor_images(workspace, normalised_apart):
    """Train on real images and as many of noise that look like none; return the check on training rows."""
    from magsig_tf.data.batches import read_batches
    from magsig_tf.training.evaluated_network import EvaluatedNetwork
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.step import TrainingStep

    config = tiny_config(
        dataset="several", encoder="small_cnn", dropout=0.0, augment=[], epochs=20, images_per_magnification=8
    ).for_run(dataset="several", method="baseline", holdout="400X", patient_fold=0, seed=0)
    prepared = PreparedDataset.open(workspace.data("several"))
    parts = RunParts(config, prepared, split_of(config, prepared))
    step, taken = TrainingStep(parts), 0
    for epoch in range(config.settings.epochs):
        for batch in read_batches(prepared.images, prepared.labels, parts.plan, epoch):
            synthetic = np.arange(len(batch.images)) % 4 < 2
            noise = np.random.default_rng(taken).integers(0, 2, batch.images.shape, np.uint8) * 255
            images = np.where(synthetic[:, None, None, None], noise, batch.images)
            step(dataclasses.replace(batch, images=images, synthetic=synthetic if normalised_apart else None), taken)
            taken += 1
    used = EvaluatedNetwork(parts, prepared, config.settings)
    used.take_weights()
    return used.check_training_rows()


@pytest.mark.slow
def test_synthetic_images_do_not_take_part_in_the_normalisation_of_real_ones(workspace):
    apart, together = (trained_beside_poor_images(workspace, each) for each in (True, False))
    assert apart.inference < 0.35
    assert together.inference > 2 * apart.inference


@pytest.mark.parametrize("synthetic", [[True] * 6, [False] * 6, [True, False, False, True, True, False]])
def test_a_slice_may_hold_any_number_of_synthetic_images(workspace, synthetic):
    from magsig_tf.data.batches import Batch
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.step import TrainingStep

    config = tiny_config(
        dataset="several", encoder="small_cnn", dropout=0.0, augment=[], images_per_magnification=2
    ).for_run(dataset="several", method="baseline", holdout="400X", patient_fold=0, seed=0)
    prepared = PreparedDataset.open(workspace.data("several"))
    logs = []
    for mask in (np.array(synthetic), None):
        parts = RunParts(config, prepared, split_of(config, prepared))
        batch = Batch(
            prepared.images[:6],
            np.eye(2, 3).reshape(6, 1).astype(np.float32),
            np.arange(6, dtype=np.int32) % 3,
            np.arange(6, dtype=np.int32),
        )
        logs.append(
            {
                name: float(value)
                for name, value in TrainingStep(parts)(dataclasses.replace(batch, synthetic=mask), 0).items()
            }
        )
    apart, together = logs
    assert all(np.isfinite(list(apart.values())))
    if len(set(synthetic)) == 1:  # one kind only: normalised apart from nothing
        assert apart == pytest.approx(together, rel=1e-5)
    else:
        assert apart["loss"] != pytest.approx(together["loss"], rel=1e-5)
