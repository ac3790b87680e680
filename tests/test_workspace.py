"""Where things lie, and which data set is meant."""

from pathlib import Path

import pytest

from magsig_tf.errors import UsageError
from magsig_tf.workspace import Workspace, folder_name


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def prepare(workspace, *names):
    for name in names:
        workspace.data(name).mkdir(parents=True)
        (workspace.data(name) / "dataset.json").write_text("{}")


def test_the_tree_is_the_documented_one():
    workspace = Workspace(Path("w"))
    assert workspace.data("phantom") == Path("w/data/phantom")
    assert workspace.runs("phantom") == Path("w/runs/phantom")
    assert workspace.results() == Path("w/results")


def test_the_only_data_set_needs_no_name(workspace):
    prepare(workspace, "phantom")
    assert workspace.choose_dataset(None) == "phantom"
    assert workspace.choose_dataset("phantom") == "phantom"


def test_without_data_the_error_says_how_to_prepare_some(workspace):
    with pytest.raises(UsageError, match="magsig prepare --phantom"):
        workspace.choose_dataset(None)
    with pytest.raises(UsageError, match="magsig prepare --source"):
        workspace.choose_dataset("phantom")


def test_a_data_set_counts_only_when_it_is_complete(workspace):
    prepare(workspace, "breakhis")
    workspace.data("half").mkdir()
    (workspace.data("half") / "images.npy").write_bytes(b"")
    assert workspace.prepared_datasets() == ["breakhis"]


def test_several_data_sets_need_a_choice(workspace):
    prepare(workspace, "phantom", "breakhis")
    with pytest.raises(UsageError, match=r"--dataset breakhis\|phantom"):
        workspace.choose_dataset(None)


def test_a_name_that_is_not_there_offers_the_nearest(workspace):
    prepare(workspace, "phantom", "breakhis")
    with pytest.raises(UsageError, match="Did you mean 'breakhis'"):
        workspace.choose_dataset("braekhis")


@pytest.mark.parametrize("name", ["", ".", "..", "...", "x" * 300, "µ" * 100])
def test_a_name_that_is_no_folder_is_refused_in_one_line(name):
    with pytest.raises(
        UsageError, match=r"^Expected the name of a method that can name a folder, found .*shorter name\.$"
    ):
        folder_name(name, "method")


@pytest.mark.parametrize(("name", "folder"), [("40X", "40X"), ("a/b", "a%2Fb"), ("..x", "..x"), ("µm 4", "%C2%B5m 4")])
def test_what_cannot_stand_in_a_path_is_encoded(name, folder):
    assert folder_name(name, "magnification") == folder
