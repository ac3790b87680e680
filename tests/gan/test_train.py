"""A GAN's folder is complete or resumable; the best checkpoint is kept; failure is told."""

import json
import signal

import numpy as np
import pytest

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.gan import train as module
from magsig_tf.gan.train import load_generator
from magsig_tf.models.dcgan import Sampler, latent_vectors, sample
from tests.gan.tiny_gan import IDENTITY, SEED_NAMES, tiny_images, tiny_settings, train

TRAINED = {"generator_loss", "discriminator_loss", "real_accuracy", "synthetic_accuracy"}


class Watcher(Observer):
    def __init__(self, at=None, act=None):
        self.at, self.act = at, act
        self.started, self.steps, self.checks, self.notes, self.intervals = [], [], [], [], []

    def part_started(self, title, total_steps):
        self.started.append((title, total_steps))

    def step_done(self, step):
        self.steps.append(step)
        if step == self.at:
            self.act()

    def interval(self, step, logs):
        self.intervals.append(logs)

    def part_checked(self, step, logs, chosen):
        self.checks.append((step, logs["distance"], chosen))

    def note(self, text):
        self.notes.append(text)


def records(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def weights(folder):
    return load_generator(folder, IDENTITY).get_weights()


class Scores:
    """Distances told beforehand, one a check; the second is the best."""

    def __init__(self):
        self.left, self.samples = [2.0, 1.0, 3.0], []

    def __call__(self, samples):
        self.samples.append(samples)
        return self.left.pop(0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder, watcher, scores = tmp_path_factory.mktemp("gan") / "benign", Watcher(), Scores()
    return folder, watcher, train(folder, watcher, given={"distance": scores}), scores


def test_a_finished_gan_leaves_its_record_its_log_and_its_generator(finished):
    folder, watcher, record, _ = finished
    names = {path.name for path in folder.iterdir()} - {"tensorboard"}
    assert names == {"gan.json", "generator.keras", "log.jsonl", "checksums.json"}
    assert record == read_json(folder / "gan.json")
    assert (record["status"], record["steps"], record["images"], record["size"]) == ("done", 12, 20, 16)
    assert {name: record[name] for name in IDENTITY} == IDENTITY
    assert (record["precision"], record["strategy"]) == ("float32", "one x 1")
    assert record["options"]["gan_width"] == 4
    assert "synthetic_ratio" not in record["options"]
    assert watcher.started == [("benign, holdout 400X, patient fold 0", 12)]
    assert watcher.steps == list(range(1, 13))
    assert all(set(logs) > TRAINED | {"steps_per_second"} for logs in watcher.intervals)
    assert [entry["step"] for entry in records(folder) if entry["kind"] == "train"] == [3, 4, 5, 8, 10, 12]


def test_the_check_with_the_smallest_distance_is_what_is_kept(finished):
    folder, watcher, record, scores = finished
    assert watcher.checks == [(5, 2.0, True), (10, 1.0, True), (12, 3.0, False)]
    assert (record["chosen"]["step"], record["chosen"]["distance"]) == (10, 1.0)
    # what was saved draws what was scored then: weights and batch statistics are those of that check
    latents = latent_vectors(len(tiny_images()), 8, ("check", *SEED_NAMES))
    np.testing.assert_array_equal(Sampler(load_generator(folder, IDENTITY), 8)(latents), scores.samples[1])
    checks = [entry for entry in records(folder) if entry["kind"] == "check"]
    assert [entry["distance"] for entry in checks] == [distance for _, distance, _ in watcher.checks]
    assert all(0 < entry["spread"] < 1 for entry in checks)


def test_a_finished_gan_is_not_trained_again(finished):
    folder, _, record, _ = finished
    watcher = Watcher()
    assert train(folder, watcher) == record
    assert not watcher.steps


def test_interrupted_and_broken_off_it_ends_with_the_same_bits(finished, tmp_path):
    whole, _, record, _ = finished
    folder, scores = tmp_path / "benign", {"distance": Scores()}

    def break_off():
        raise OSError("gone")  # between two checkpoints, nothing is stored

    with pytest.raises(KeyboardInterrupt):
        train(folder, Watcher(7, lambda: signal.raise_signal(signal.SIGINT)), given=scores)
    assert read_json(folder / "gan.json")["status"] == "running"
    with pytest.raises(OSError, match="gone"):
        train(folder, Watcher(10, break_off), given=scores)
    last = Watcher()
    again = train(folder, last, given=scores)
    assert last.notes == ["Resumed at step 8 of 12"]
    assert again["chosen"] == record["chosen"]
    for a, b in zip(weights(whole), weights(folder), strict=True):
        np.testing.assert_array_equal(a, b)
    kept = [[entry for entry in records(each) if entry["kind"] == "check"] for each in (whole, folder)]
    assert kept[0] == kept[1]
    steps = [[entry["step"] for entry in records(each)] for each in (whole, folder)]
    assert steps[0] == [step for step in steps[1] if step != 7]  # where it was interrupted it wrote a line more
    assert not (folder / "checkpoint").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"given": {"split_hash": "other"}}, "split_hash other, found s"),
        ({"images": tiny_images(21)}, "images_hash"),
        ({"gan_steps": 13}, "options_hash"),
    ],
)
def test_a_gan_of_another_split_other_images_or_options_is_refused(finished, changes, message):
    with pytest.raises(RunError, match=message):
        train(finished[0], **changes)


def test_a_size_without_architecture_leaves_no_folder(tmp_path):
    with pytest.raises(UsageError, match="gan_size among 16, 32, 64"):
        train(tmp_path / "benign", images=np.zeros((4, 20, 20, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_batch_that_replicas_cannot_share_is_refused(tmp_path, tensorflow):
    with pytest.raises(UsageError, match="2 replicas can share, found 7"):
        train(tmp_path / "benign", gan_batch=7, given={"settings": tiny_settings(strategy="mirrored")})


class Planted(module.GanStep):
    """From step 6 on, the generator is what a test makes of it."""

    def __call__(self, images, step):
        if step >= 6:
            self.plant()
        return super().__call__(images, step)


def test_a_diverged_gan_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    class Diverging(Planted):
        def plant(self):
            kernel = self.parts.generator.trainable_variables[0]
            kernel.assign(np.full(kernel.shape, np.nan))

    monkeypatch.setattr(module, "GanStep", Diverging)
    folder = tmp_path / "benign"
    with pytest.raises(module.Diverged, match=r"up to step 8, found \w+ nan\. The last good checkpoint"):
        train(folder)
    record = read_json(folder / "gan.json")
    assert record["status"] == "failed"
    assert "lower gan_learning_rate" in record["error"]
    for name in ("last", "best"):
        with np.load(folder / "checkpoint" / f"{name}.npz") as stored:
            assert all(np.isfinite(stored[key]).all() for key in stored.files)
    with pytest.raises(RunError, match="found one that is failed"):
        load_generator(folder, IDENTITY)
    monkeypatch.undo()
    watcher = Watcher()
    assert train(folder, watcher)["status"] == "done"
    assert watcher.steps[0] == 6  # after the checkpoint of the check at 5


def test_weights_that_are_not_finite_are_found_at_a_check_too(tmp_path, monkeypatch):
    class Broken(Quiet):
        def plant(self):
            self.parts.average.averages[0].assign(np.full(self.parts.average.averages[0].shape, np.inf))

    monkeypatch.setattr(module, "GanStep", Broken)
    with pytest.raises(module.Diverged, match="a weight of the generator"):
        train(tmp_path / "benign")


class Quiet:
    """Takes no steps, but reports good losses."""

    def __init__(self, parts):
        self.parts = parts

    def __call__(self, images, step):
        if step == 0:
            self.plant()
        return {"generator_loss": 0.7, "discriminator_loss": 1.4, "real_accuracy": 0.5, "synthetic_accuracy": 0.5}


def test_a_collapsed_generator_is_told_after_the_warm_up(tmp_path, monkeypatch):
    class Collapsing(Quiet):
        def plant(self):
            self.parts.average.averages[0].assign(np.zeros(self.parts.average.averages[0].shape))

    monkeypatch.setattr(module, "GanStep", Collapsing)
    watcher = Watcher()
    with pytest.raises(module.Collapsed, match=r"at least 5% of what training images do, found 0\.0% at step 500"):
        train(tmp_path / "benign", watcher, gan_steps=500, gan_check_every=250)
    assert [step for step, _, _ in watcher.checks] == [250]  # before, it may be young
    assert read_json(tmp_path / "benign" / "gan.json")["status"] == "failed"


def test_a_distance_that_is_no_number_is_told(tmp_path, monkeypatch):
    class Idle(Quiet):
        def plant(self):
            pass

    monkeypatch.setattr(module, "GanStep", Idle)
    with pytest.raises(module.Diverged, match="the distance nan"):
        train(tmp_path / "benign", given={"distance": lambda samples: float("nan")})


def test_the_dtype_policy_is_what_it_was(finished):
    import keras

    assert keras.config.dtype_policy().name == "float32"
    assert sample(load_generator(finished[0], IDENTITY), 1, ("x",)).dtype == np.uint8
