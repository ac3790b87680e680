"""Versions: numbered as TensorFlow Serving wants them, whole or absent, never overwritten."""

from __future__ import annotations

import pytest

from magsig_tf.errors import RunError, UsageError
from magsig_tf.serving.exported_model import find_version, model_folder, versions, writing_version


def write(root, text: str = "model"):
    with writing_version(root / "grl-400x") as (folder, place):
        (folder / "saved_model.pb").write_text(text)
    return place


def test_versions_count_up_and_nothing_else_is_left(tmp_path):
    assert [write(tmp_path, "a").name, write(tmp_path, "b").name] == ["1", "2"]
    assert (tmp_path / "grl-400x" / "1" / "saved_model.pb").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grl-400x"]


def test_a_gap_is_not_filled_and_other_names_are_no_versions(tmp_path):
    for name in ("7", "notes", "07", "2x"):
        (tmp_path / "grl-400x" / name).mkdir(parents=True)
    assert versions(tmp_path / "grl-400x") == [7]
    assert write(tmp_path).name == "8"


def test_while_it_is_written_a_server_sees_nothing(tmp_path):
    with writing_version(tmp_path / "grl-400x") as (folder, _):
        (folder / "saved_model.pb").write_text("half")
        assert not (tmp_path / "grl-400x").exists()
        assert (tmp_path / "grl-400x") not in folder.parents
        assert folder.stat().st_dev == tmp_path.stat().st_dev  # renamed, not copied


def test_an_interrupted_export_leaves_no_folder(tmp_path):
    def interrupted():
        with writing_version(tmp_path / "grl-400x") as (folder, _):
            (folder / "saved_model.pb").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not any(tmp_path.iterdir())


def test_what_a_kill_left_is_cleared_by_the_next_export(tmp_path):
    (tmp_path / ".grl-400x.exporting-0123abcd").mkdir()
    (tmp_path / ".other.exporting-0123abcd").mkdir()
    with writing_version(tmp_path / "third") as (folder, _):
        write(tmp_path)
        left = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".magsig.lock"))
        assert left == sorted([folder.name, "grl-400x"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grl-400x", "third"]


def test_two_exports_to_one_name_do_not_meet(tmp_path):
    with (
        writing_version(tmp_path / "grl-400x"),
        pytest.raises(RunError, match="the export 'grl-400x' to be free"),
        writing_version(tmp_path / "grl-400x"),
    ):
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "x" * 101])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="Expected a model name"):
        model_folder(tmp_path, name)


def test_the_latest_whole_version_is_found(tmp_path):
    write(tmp_path), write(tmp_path)
    (tmp_path / "grl-400x" / "3").mkdir()
    assert find_version(tmp_path / "grl-400x").name == "2"
    assert find_version(tmp_path / "grl-400x" / "1").name == "1"
    with pytest.raises(UsageError, match="found none"):
        find_version(tmp_path)
    with pytest.raises(UsageError, match="found no such folder"):
        find_version(tmp_path / "other")
