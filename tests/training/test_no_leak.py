"""Images with a mark, wherever a fold may not look: none of them reaches a GAN, a batch or the filter."""

import numpy as np
import pytest

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.resampling import downsampled, resampled
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.gan.fold import read_synthetic_images
from magsig_tf.seeding import generator_for
from magsig_tf.training import changed_batches
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.made_up_gans import fold_of, gan_run, write_fold
from tests.tiny import tiny_dataset


def is_marked(images):
    """Tell which images hold the mark: a magenta corner, far from every colour of the others."""
    corner = np.asarray(images)[:, : images.shape[1] // 4, : images.shape[2] // 4].astype(float)
    return (corner.mean(axis=(1, 2)) @ [1, -1, 1]) > 300


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def run(workspace):
    return gan_run(workspace, synthetic_confidence=0.5)


@pytest.fixture(scope="module")
def marked(workspace, run):
    """The tiny data set, marked outside the fold's training rows."""
    prepared = tiny_dataset(workspace, images=3)
    images = np.array(prepared.images)
    train = split_of(run.config, prepared).rows["train"]
    others = np.setdiff1d(np.arange(len(images)), train)
    images[others, :16, :16] = (255, 0, 255)
    np.save(prepared.folder / "images.npy", images)
    prepared = PreparedDataset.open(prepared.folder)
    assert is_marked(prepared.images).sum() == len(others) == len(images) - len(train)
    return prepared


def test_the_mark_would_be_seen_at_any_size(marked):
    for changed in (downsampled(marked.images, 16), resampled(marked.images, 16)):
        np.testing.assert_array_equal(is_marked(changed), is_marked(marked.images))


@pytest.mark.parametrize("changes", [{}, {"gan_per_magnification": True, "gan_batch": 2}])
@pytest.mark.parametrize("holdout", ["40X", "400X"])
def test_the_rows_of_a_gan_are_training_rows_of_its_fold(workspace, marked, changes, holdout):
    run = gan_run(workspace, holdout=[holdout], **changes)
    train = split_of(run.config, marked).rows["train"]
    parts = fold_of(run, marked).parts
    np.testing.assert_array_equal(np.sort(np.concatenate([part.rows for part in parts])), train)
    if holdout == "400X":
        assert not any(is_marked(marked.images[part.rows]).any() for part in parts)


def test_no_batch_and_no_synthetic_image_shows_the_mark(marked, run, monkeypatch):
    from magsig_tf.training.step import TrainingStep

    seen, step = [], TrainingStep.__call__

    def watched(self, batch, *rest):
        seen.append(batch)
        return step(self, batch, *rest)

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    synthetic = read_synthetic_images(write_fold(fold_of(run, marked), marked))
    execute(run, marked, Observer())
    assert not is_marked(synthetic.images).any()
    assert len(seen) == 9
    assert not any(is_marked(batch.images).any() for batch in seen)


def test_a_gan_receives_no_marked_image(marked, run, monkeypatch):
    from magsig_tf.gan import study, train

    received = []

    def train_gan(part_folder, images, *rest, **keywords):
        received.append(np.array(images))
        return {}

    class Enough(Exception):
        """Every GAN has its images."""

    def drawn(fold, images):
        received.extend(images.values())
        raise Enough

    monkeypatch.setattr(train, "train_gan", train_gan)
    monkeypatch.setattr(study, "_draw", drawn)
    fold = fold_of(gan_run(run.workspace, gan_seed=5), marked)
    with pytest.raises(Enough):
        study.ensure_fold(fold, marked, run.config.settings, Observer())
    assert [len(images) for images in received] == [54] * 4
    assert not any(is_marked(images).any() for images in received)


def test_the_filter_compares_with_training_images_alone(marked, run, monkeypatch):
    seen = []

    def classified(model, images, size, batch):
        seen.append(images)
        return np.zeros(len(images)), generator_for("leak test").random((len(images), 2))

    monkeypatch.setattr(changed_batches, "_classified", classified)
    synthetic = read_synthetic_images(write_fold(fold_of(run, marked), marked))
    rows = split_of(run.config, marked).rows["train"]
    changed_batches.filtered(synthetic, marked, rows, run.folder / "model.keras", 0.5, 16)
    assert len(seen[0]) == len(synthetic) + len(rows)
    assert not is_marked(seen[0]).any()
