"""The images of a fold are read whole, and by the chief for every process of a run."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.errors import RunError
from magsig_tf.execution.workers import Workers
from magsig_tf.gan.fold import fold_status, read_synthetic_images, share_synthetic_images
from magsig_tf.workspace import Workspace
from tests.made_up_gans import fold_of, gan_run, write_fold
from tests.tiny import tiny_dataset


class Process(Workers):
    """One of two processes that stand in for a cluster: the second hears what the first has said."""

    count = 2

    def __init__(self, index, said):
        self.index, self.said = index, said

    def from_chief(self, compute):
        if self.is_chief:
            self.said.append(compute())
        return self.said[0]

    def share(self, arrays):
        if self.is_chief:
            self.said.append(list(arrays))
        for array, other in zip(arrays, self.said[1], strict=True):
            assert (array.shape, array.dtype) == (other.shape, other.dtype)
        return self.said[1]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def prepared(workspace):
    return tiny_dataset(workspace)


@pytest.fixture(scope="module")
def fold(workspace, prepared):
    return write_fold(fold_of(gan_run(workspace), prepared), prepared)


def test_labels_and_magnifications_are_those_of_the_gans(workspace, prepared, fold):
    found = read_synthetic_images(fold)
    assert found.images.shape == (72, 16, 16, 3)
    assert found.label.tolist() == [0] * 36 + [1] * 36
    assert set(found.magnification) == {""}
    assert found.positions(1, "100X").tolist() == list(range(36, 72))


def test_gans_of_one_magnification_stand_in_for_that_one_only(tmp_path):
    workspace = Workspace(tmp_path)
    prepared = tiny_dataset(workspace, images=3)
    fold = write_fold(fold_of(gan_run(workspace, gan_per_magnification=True), prepared), prepared)
    found = read_synthetic_images(fold)
    assert found.part[found.positions(0, "200X")].tolist() == ["benign-200X"] * 18
    assert len(found.positions(0, "400X")) == 0


def test_a_process_without_the_files_gets_the_chiefs_images(workspace, prepared, fold, tmp_path):
    elsewhere = fold_of(gan_run(Workspace(tmp_path)), prepared)
    assert fold_status(elsewhere) == "new"
    said = []
    chief = share_synthetic_images(fold, Process(0, said))
    follower = share_synthetic_images(elsewhere, Process(1, said))
    for name in ("images", "part", "label", "magnification"):
        np.testing.assert_array_equal(getattr(follower, name), getattr(read_synthetic_images(fold), name))
        np.testing.assert_array_equal(getattr(follower, name), getattr(chief, name))
    assert follower.images.dtype == np.uint8


def test_unfinished_and_strange_folds_are_told(workspace, prepared):
    fold = fold_of(gan_run(workspace, gan_seed=3), prepared)
    with pytest.raises(RunError, match=r"GANs of holdout 400X, patient fold 0.*found none.*magsig gan"):
        read_synthetic_images(fold)
    write_fold(fold, prepared, status="running")
    with pytest.raises(RunError, match="found a folder that is running"):
        read_synthetic_images(fold)
    write_fold(fold, prepared)
    table = pd.read_parquet(fold.folder / "synthetic.parquet")
    table.assign(part="someone").to_parquet(fold.folder / "synthetic.parquet")
    with pytest.raises(RunError, match=r"Expected the parts benign, malignant .*found 'someone'"):
        read_synthetic_images(fold)
