"""TensorBoard event files say what the log says, read back by TensorBoard itself."""

import json
import sys

import pytest

from magsig_tf.errors import UsageError
from magsig_tf.execution.run_log import FOLDER, RunLog, event_files, scalars
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.gan.tiny_gan import tiny_settings, train
from tests.tiny import tiny_config, tiny_dataset
from tests.training.stopping import Stopping

pytestmark = pytest.mark.tensorboard


def read_back(folder):
    """Return the scalars of an event folder by tag, each a list of (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def logged(path):
    """Return what the log says, as `read_back` does."""
    found = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        for tag, value in scalars(record, 1 / 3).items():
            found.setdefault(tag, []).append((record["step"], pytest.approx(value, rel=1e-6)))
    return found


def test_scalars_of_a_record():
    record = {"kind": "epoch", "step": 4, "epoch": 1, "chosen": True, "loss": 0.5, "domain_accuracy": 0.4}
    record |= {"validation_auc": None, "validation_loss": "nan", "lambda": 1}
    wanted = {"epoch/loss": 0.5, "epoch/domain_accuracy": 0.4, "epoch/lambda": 1.0}
    assert scalars(record) == wanted
    assert scalars(record, 0.25) == wanted | {"epoch/domain_accuracy_chance": 0.25}


@pytest.mark.slow
def test_a_run_that_was_interrupted_has_every_step_once(tmp_path):
    workspace = Workspace(tmp_path)
    prepared = tiny_dataset(workspace)
    config = tiny_config(method=["grl"], log_every=1, checkpoint_every=100)
    run = Run.of(workspace, config.for_run(dataset="tiny", method="grl", holdout="400X", patient_fold=0, seed=0))
    with pytest.raises(KeyboardInterrupt):
        execute(run, prepared, Stopping(3))
    # a kill leaves steps in the log that will be taken again
    with (run.folder / "log.jsonl").open("a") as log:
        log.write('{"kind": "train", "step": 4, "loss": 99.0}\n')
    execute(run, prepared, Stopping(0))
    found = read_back(run.folder / FOLDER)
    assert found == logged(run.folder / "log.jsonl")
    steps = [step for step, _ in found["train/loss"]]
    assert steps == list(range(1, len(steps) + 1))
    assert {"train/learning_rate", "train/domain_accuracy_chance", "epoch/validation_loss"} <= set(found)
    assert {"train/lambda", "epoch/images_per_second"} <= set(found)
    assert [value for _, value in found["epoch/domain_accuracy_chance"]] == [pytest.approx(1 / 3)] * 2
    rates = [value for _, value in found["train/learning_rate"]]
    assert rates[-1] < max(rates) <= config.settings.learning_rate * (1 + 1e-6)
    assert len(list((run.folder / FOLDER).iterdir())) == 1


def test_events_change_neither_weights_nor_the_name_of_a_run(tmp_path):
    import numpy as np

    ends = []
    for wanted in (True, False):
        workspace = Workspace(tmp_path / str(wanted))
        prepared = tiny_dataset(workspace)
        config = tiny_config(tensorboard=wanted, epochs=1)
        run = Run.of(
            workspace, config.for_run(dataset="tiny", method="baseline", holdout="400X", patient_fold=0, seed=0)
        )
        execute(run, prepared, Stopping(0))
        assert (run.folder / FOLDER).exists() == wanted
        with np.load(run.folder / "embeddings.npz") as stored:
            ends.append((run.folder.name, stored["embedding"]))
    assert ends[0][0] == ends[1][0]
    np.testing.assert_array_equal(ends[0][1], ends[1][1])


def test_a_folder_that_cannot_be_written_costs_the_events_and_nothing_else(tmp_path):
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    said = []
    log = RunLog(tmp_path / "log.jsonl", events=event_files(tmp_path, True, warn=said.append))
    log.write("train", 1, loss=0.5)
    log.write("train", 2, loss=0.4)
    log.close()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    [sentence] = said
    assert sentence.startswith("Expected to write TensorBoard events in")
    assert "log.jsonl has the same numbers" in sentence


def test_without_the_package_auto_is_off_and_asking_for_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert event_files(tmp_path, None) is None
    assert event_files(tmp_path, False) is None
    with pytest.raises(UsageError, match=r"found none\. pip install 'magsig\[tensorboard\]'"):
        event_files(tmp_path, True)


def test_a_gan_has_its_own_events(tmp_path):
    train(tmp_path / "gan", given={"settings": tiny_settings(tensorboard=True)})
    found = read_back(tmp_path / "gan" / FOLDER)
    assert found == logged(tmp_path / "gan" / "log.jsonl")
    assert {"train/generator_loss", "train/discriminator_loss", "check/distance"} <= set(found)
