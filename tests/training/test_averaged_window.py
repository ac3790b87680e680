"""A run whose model is the mean of its weights over a window that validation chose."""

import numpy as np
import pytest

from magsig_tf.data.splits import split_of
from magsig_tf.errors import UsageError
from magsig_tf.execution.evaluated_weights import BatchStatistics
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.run_log import read_log
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.testing import MethodTrial
from magsig_tf.training.evaluated_network import EvaluatedNetwork
from magsig_tf.training.run import execute
from magsig_tf.training.step import TrainingStep

SWAD = "tests.methods.throw_away.swad:Swad"


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return MethodTrial(SWAD, tmp_path_factory.mktemp("swad"), epochs=4, select_from=0.2)


@pytest.fixture(scope="module")
def finished(trial):
    """A run, its record and the weights after every step."""
    weights, call = [], TrainingStep.__call__

    def watched(self, batch, step):
        logs = call(self, batch, step)
        weights.append([variable.numpy() for variable in self.parts.classifier.trainable_variables])
        return logs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", watched)
        run = trial.run(trial.config(), trial.prepared)
        return run, execute(run, trial.prepared, Observer()).as_json(), weights


def test_run_json_names_the_window_in_the_place_of_the_epoch(finished):
    run, record, _ = finished
    assert set(record["chosen"]) == {"window", "step", "validation_loss", "state"}
    window = record["chosen"]["window"]
    assert record["chosen"]["step"] == window["last_step"] > window["first_step"] > 0.2 * 24 - 2
    validated = [each["step"] for each in read_log(run.folder / "log.jsonl") if each["kind"] in ("validation", "epoch")]
    assert validated == [step for step in range(2, 25, 2) if step <= record["steps"]]


def test_the_saved_model_is_the_mean_over_the_window_with_statistics_estimated_for_it(trial, finished):
    run, record, weights = finished
    window = record["chosen"]["window"]
    means = np.mean(np.array(weights[window["first_step"] - 1 : window["last_step"]], object), axis=0)
    model = trial.model(run)
    for variable, mean in zip(model.trainable_variables, means, strict=True):
        np.testing.assert_allclose(variable.numpy(), mean.astype(np.float32), atol=2e-6)
    rows = EvaluatedNetwork(trial.parts(), trial.prepared, run.config.settings).rows()
    before = [variable.numpy() for variable in model.non_trainable_variables]
    BatchStatistics(model).estimate(trial.prepared.images[each].astype(np.float32) for each in rows)
    for variable, found in zip(model.non_trainable_variables, before, strict=True):
        np.testing.assert_allclose(found, variable.numpy(), rtol=1e-4, atol=1e-5)


def test_the_validation_loss_is_that_of_the_mean(trial, finished):
    run, record, _ = finished
    rows = split_of(run.config, trial.prepared).rows["validation"]
    logits = trial.model(run)(trial.prepared.images[rows].astype(np.float32), training=False)["logit"].numpy()[:, 0]
    names = trial.prepared.manifest["magnification"].to_numpy()[rows]
    loss = mean_cross_entropy(trial.prepared.labels[rows], logits, names)
    assert record["chosen"]["validation_loss"] == pytest.approx(loss, rel=1e-3)


def test_validating_within_an_epoch_changes_nothing_of_what_is_trained(trial, finished):
    _, _, weights = finished
    parts, _ = trial.trained(6, method="baseline")
    for variable, found in zip(parts.classifier.trainable_variables, weights[5], strict=True):
        np.testing.assert_array_equal(variable.numpy(), found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"ema": 0.5}, "averages by its own rule, found 0.5"), ({"batch_statistics": "moving"}, "averages over a window")],
)
def test_settings_that_contradict_the_window_are_refused(trial, changes, said):
    with pytest.raises(UsageError, match=said):
        trial.parts(**changes)


def test_training_ends_with_the_window(trial):
    notes = []

    class Notes(Observer):
        def note(self, text):
            notes.append(text)

    # a rate that ruins what was learned
    run = trial.run(trial.config(epochs=12, learning_rate=0.05, warmup=0.9), trial.prepared)
    record = execute(run, trial.prepared, Notes()).as_json()
    assert record["steps"] < 72
    assert any("the window of averaged weights has ended" in text for text in notes)
    assert record["chosen"]["window"]["last_step"] < record["steps"]
