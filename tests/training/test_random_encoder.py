"""The random encoder's embeddings: written once, of every image, and never at the cost of a run."""

import numpy as np
import pytest

from magsig_tf.execution.observer import Observer
from magsig_tf.training.outputs import write_random_encoder
from tests.tiny import tiny_config


class Watcher(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def study(trained):
    return trained("baseline")


@pytest.fixture(scope="module")
def workspace(study):
    return study[0].workspace


@pytest.fixture(scope="module")
def prepared(study):
    return study[1]


def settings_of(**changes):
    config = tiny_config(**changes)
    return config.for_run(dataset="tiny", method="baseline", holdout="400X", patient_fold=0, seed=0).settings


@pytest.fixture(scope="module")
def written(workspace):
    """The file that a run leaves, with its arrays."""
    path = workspace.random_encoder("tiny", "small_cnn", 0)
    with np.load(path, allow_pickle=False) as stored:
        return path, dict(stored)


def test_a_run_leaves_the_embeddings_of_every_image(written, prepared):
    _, stored = written
    assert stored["row"].tolist() == list(range(len(prepared.manifest)))
    assert stored["embedding"].shape == (len(prepared.manifest), 128)
    assert stored["embedding"].dtype == np.float32
    assert stored["embedding"].std(0).max() > 0
    assert str(stored["dataset_hash"]) == prepared.content_hash


def test_it_is_written_once_and_anew_for_other_data_or_where_it_is_damaged(written, workspace, prepared):
    path, stored = written
    runs, settings, watcher = workspace.runs("tiny"), settings_of(holdout=["40X"]), Watcher()
    before = path.stat().st_mtime_ns
    write_random_encoder(runs, settings, prepared, watcher)
    assert path.stat().st_mtime_ns == before
    assert watcher.notes == []
    for damage in (path.read_bytes()[:300], b"no archive"):
        path.write_bytes(damage)
        write_random_encoder(runs, settings, prepared, watcher)
        with np.load(path) as again:
            np.testing.assert_array_equal(again["embedding"], stored["embedding"])
    tested = slice(0, 40)  # as where a fixed cohort is tested and the file was meant for the probes alone
    np.savez(path, **stored | {"row": stored["row"][tested], "embedding": stored["embedding"][tested]})
    write_random_encoder(runs, settings, prepared, watcher)
    with np.load(path) as again:
        np.testing.assert_array_equal(again["embedding"], stored["embedding"])
    np.savez(path, **stored | {"dataset_hash": np.array("other data")})
    write_random_encoder(runs, settings, prepared, watcher)
    with np.load(path) as again:
        assert str(again["dataset_hash"]) == prepared.content_hash


def test_an_encoder_that_has_no_random_weights_costs_the_control_and_not_the_run(workspace, prepared):
    watcher = Watcher()
    write_random_encoder(workspace.runs("tiny"), settings_of(encoder="no_module:function"), prepared, watcher)
    assert "not written" in watcher.notes[-1]
    assert not workspace.random_encoder("tiny", "no_module:function", 0).exists()
