"""What a method needs is there before its run trains, and is the fold's own."""

import sys
import types

import numpy as np
import pytest

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import DataError, RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.methods.needs import RunNeeded
from magsig_tf.runs.run import Run
from magsig_tf.training.planning import missing_prerequisites, needed_run, plan_matrix
from magsig_tf.training.run import execute, execute_matrix
from magsig_tf.workspace import Workspace
from tests.made_up_gans import Notes, fold_of, gan_config, gan_run, write_fold
from tests.tiny import tiny_config, tiny_dataset


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def prepared(workspace):
    return tiny_dataset(workspace)


@pytest.fixture
def study(monkeypatch):
    """Stand in for the training of GANs: each call is remembered, and made-up images are written."""
    asked = []

    def ensure_fold(fold, prepared, settings, observer, workers):
        asked.append(fold)
        write_fold(fold, prepared)

    module = types.ModuleType("magsig_tf.gan.study")
    module.ensure_fold = ensure_fold
    monkeypatch.setitem(sys.modules, "magsig_tf.gan.study", module)
    return asked


def test_missing_gans_are_trained_first_and_shared_by_the_seeds_of_a_fold(workspace, prepared, study):
    notes = Notes()
    runs = plan_matrix(gan_config(seed=[0, 1], gan_seed=11), prepared, workspace)
    (listed,) = missing_prerequisites(runs, prepared)
    assert (listed.title, listed.status) == ("GANs, holdout 400X, patient fold 0", "new")
    assert len(execute_matrix(runs[:1], prepared, notes).done) == 1
    assert [fold.folder for fold in study] == [fold_of(runs[0], prepared).folder]
    assert any("GANs of its fold are trained first" in text for text in notes.said)
    assert missing_prerequisites(runs, prepared) == []
    record = read_json(runs[0].folder / "run.json")
    assert record["synthetic"] == {
        "gan_folder": study[0].folder.relative_to(workspace.root).as_posix(),
        "available": 72,
        "kept": 72,
        "kept_share": 1.0,
        "by_class": {name: {"available": 36, "kept": 36, "kept_share": 1.0} for name in ("benign", "malignant")},
        "ratio": 0.5,
        "filtered": False,
    }


def test_how_images_are_used_does_not_make_them_other_gans(workspace, prepared):
    folders = {
        fold_of(gan_run(workspace, **changes), prepared).folder
        for changes in ({}, {"synthetic_ratio": 0.3}, {"synthetic_filter": True}, {"learning_rate": 0.01})
    }
    assert len(folders) == 1
    assert fold_of(gan_run(workspace, gan_steps=7), prepared).folder not in folders


@pytest.mark.parametrize("name", ["split_hash", "dataset_hash"])
def test_gans_of_another_split_or_data_set_are_refused_with_both_hashes(workspace, prepared, name):
    run = gan_run(workspace, gan_seed=12)
    fold = write_fold(fold_of(run, prepared), prepared, **{name: "0123456789abcdef"})
    with pytest.raises(RunError, match=rf"{name} {fold.identity[name]}.*found 0123456789abcdef"):
        execute(run, prepared, Observer())
    assert run.read().as_json()["status"] == "failed"
    assert "0123456789abcdef" in run.read().as_json()["error"]
    (listed,) = missing_prerequisites([run], prepared)
    assert (listed.title, listed.is_run) == ("GANs, holdout 400X, patient fold 0", False)
    assert "found 0123456789abcdef" in listed.status


def test_damaged_synthetic_images_are_an_error(workspace, prepared):
    run = gan_run(workspace, gan_seed=13)
    fold = write_fold(fold_of(run, prepared), prepared)
    np.save(fold.folder / "synthetic.npy", np.zeros((72, 8, 8, 3), np.uint8))
    with pytest.raises(RunError, match=r"\(72, 16, 16, 3\).*found uint8 \(72, 8, 8, 3\)"):
        execute(run, prepared, Observer())
    (fold.folder / "synthetic.npy").write_bytes(b"nothing")
    with pytest.raises(RunError, match="Expected synthetic images"):
        execute(run, prepared, Observer())


def test_a_gan_larger_than_the_images_is_a_usage_error_and_leaves_nothing(workspace, prepared):
    run = gan_run(workspace, gan_size=64)
    with pytest.raises(UsageError, match=r"at most 32 px.*found gan_size 64"):
        execute(run, prepared, Observer())
    assert not run.folder.exists()


def test_a_failed_prerequisite_fails_its_run_and_the_others_go_on(workspace, prepared, monkeypatch):
    def ensure_fold(fold, prepared, settings, observer, workers):
        raise DataError("Expected a GAN that trains", "found it collapsed", "Use other images")

    module = types.ModuleType("magsig_tf.gan.study")
    module.ensure_fold = ensure_fold
    monkeypatch.setitem(sys.modules, "magsig_tf.gan.study", module)
    runs = plan_matrix(gan_config(method=["gan", "baseline-resampled"], gan_seed=14), prepared, workspace)
    outcome = execute_matrix(runs, prepared, Observer())
    ((failed, error),) = outcome.failed
    assert failed.config.settings.method == ["gan"]
    assert "the GANs of its fold" in error
    assert "found it collapsed" in error
    assert [run.config.settings.method[0] for run in outcome.done] == ["baseline-resampled"]


def test_a_needed_run_is_the_one_that_its_own_command_would_train(workspace, prepared):
    run = gan_run(workspace, learning_rate=0.002, synthetic_ratio=0.25)
    baseline = needed_run(run, RunNeeded("baseline"), prepared)
    assert baseline.folder == Run.of(workspace, tiny_config(epochs=1, learning_rate=0.002)).folder
    control = needed_run(run, RunNeeded("baseline-resampled"), prepared)
    asked = tiny_config(method=["baseline-resampled"], epochs=1, learning_rate=0.002, gan_size=16, synthetic_ratio=0.25)
    assert control.folder == Run.of(workspace, asked).folder
