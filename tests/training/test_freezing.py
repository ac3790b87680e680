"""Freezing in a whole run: what stays, what is trained, what the optimizer and the average hold, and resume."""

import keras
import numpy as np
import pytest

from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset

FROZEN = {"freeze_until": "relu1", "batch_statistics": "frozen", "ema": 0.8}
FIRST = ("conv0", "norm0", "conv1", "norm1")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_dataset(Workspace(tmp_path_factory.mktemp("freezing")))


class Watcher(Observer):
    """Keeps notes, and interrupts once a step is done."""

    def __init__(self, stop_at=None):
        self.stop_at, self.notes = stop_at, []

    def note(self, text):
        self.notes.append(text)

    def step_done(self, step):
        if step == self.stop_at:
            raise KeyboardInterrupt


def run_in(folder, **changes):
    config = tiny_config(**changes)
    return Run.of(
        Workspace(folder),
        config.for_run(dataset="tiny", method=config.settings.method[0], holdout="400X", patient_fold=0, seed=0),
    )


def parts_of(run, prepared):
    from magsig_tf.training.parts import RunParts

    return RunParts(run.config, prepared, split_of(run.config, prepared))


def weights(encoder):
    return {weight.path.split("encoder/")[-1]: weight.numpy() for weight in encoder.weights}


def trained(run, prepared, watcher=None):
    record = execute(run, prepared, watcher or Observer()).as_json()
    model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
    return record, weights(model.get_layer("encoder"))


def test_the_frozen_part_comes_out_of_a_run_bit_by_bit(prepared, tmp_path):
    run, watcher = run_in(tmp_path, freeze_until="relu1", ema=0.8), Watcher()
    before = weights(parts_of(run, prepared).classifier.get_layer("encoder"))
    record, after = trained(run, prepared, watcher)
    assert set(after) == set(before)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert {name for name in before if name.startswith(FIRST)} == same
    kernels, norms = 3 * 3 * 3 * 24 + 3 * 3 * 24 * 48, 2 * (24 + 48)
    assert record["trained_weights"] == record["all_weights"] - kernels - norms == 95_937
    assert any("95,937 of 107,097 weights trained" in note for note in watcher.notes)


@pytest.mark.parametrize("encoder", ["build", "build_with_dropout"], ids=["fused", "stock"])
def test_batch_statistics_come_out_of_a_run_bit_by_bit(prepared, tmp_path, encoder):
    name = f"magsig_tf.models.encoders.small_cnn:{encoder}"
    run = run_in(tmp_path, encoder=name, batch_statistics="frozen", ema=0.8)
    before = weights(parts_of(run, prepared).classifier.get_layer("encoder"))
    _, after = trained(run, prepared)
    for weight in before:
        # with a moving average the statistics would otherwise be estimated anew
        assert np.array_equal(before[weight], after[weight]) == ("moving" in weight), weight


def test_optimizer_and_average_cover_what_is_trained(prepared, tmp_path):
    parts = parts_of(run_in(tmp_path, **FROZEN), prepared)
    all_of_it = parts_of(run_in(tmp_path, ema=0.8), prepared)
    names = [variable.path for variable in parts.classifier.trainable_variables]
    assert not [name for name in names if any(first in name for first in FIRST)]
    assert parts.average.variables == parts.classifier.trainable_variables
    shapes = [tuple(average.shape) for average in parts.average.averages]
    assert shapes == [tuple(variable.shape) for variable in parts.classifier.trainable_variables]
    # AdamW keeps two moments of each weight
    fewer = len(all_of_it.optimizer.variables) - len(parts.optimizer.variables)
    assert fewer == 2 * (len(all_of_it.classifier.trainable_variables) - len(names)) == 2 * 6


def test_an_interrupted_run_with_frozen_layers_ends_with_the_same_bits(prepared, tmp_path):
    _, whole = trained(run_in(tmp_path / "whole", **FROZEN), prepared)
    broken = run_in(tmp_path / "broken", **FROZEN, checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt):
        execute(broken, prepared, Watcher(stop_at=9))
    watcher = Watcher()
    _, resumed = trained(broken, prepared, watcher)
    assert any("Resumed at step 8" in note for note in watcher.notes)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
