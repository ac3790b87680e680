"""A folder says how far its training is, whatever ends it."""

from __future__ import annotations

import json

import pytest

from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.resumption import ResumableFolder
from magsig_tf.execution.workers import ALONE

IDENTITY = {"dataset_hash": "d", "split_hash": "s"}


def folder_at(path, **changes):
    return ResumableFolder(path / "a" / "run.json", "run", "the run a", IDENTITY | changes, ALONE)


def opening(found):
    return {"seconds": found.get("seconds", 0.0)}


def said(path):
    return json.loads((path / "a" / "run.json").read_text())


def finished(path):
    folder = folder_at(path)
    with folder.opened(opening):
        (path / "a" / "checkpoint").mkdir(exist_ok=True)
        return folder.finish({"steps": 3})


def test_what_is_done_has_its_record_and_no_checkpoint_and_is_not_opened_again(tmp_path):
    record = finished(tmp_path)
    assert record == said(tmp_path)
    assert (record["status"], record["steps"], record["dataset_hash"]) == ("done", 3, "d")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"run.json", "checksums.json"}
    with folder_at(tmp_path).opened(lambda found: pytest.fail("opened again")) as again:
        assert again == record


@pytest.mark.parametrize(("error", "status"), [(OSError("gone"), "failed"), (KeyboardInterrupt("stop"), "running")])
def test_what_broke_off_is_told_and_can_be_resumed(tmp_path, error, status):
    with pytest.raises(type(error)), folder_at(tmp_path).opened(opening):
        raise error
    assert (said(tmp_path)["status"], said(tmp_path)["error"]) == (status, str(error))
    assert "error" not in finished(tmp_path)


def test_where_the_record_cannot_be_written_the_first_error_is_told(tmp_path):
    def break_both():
        (tmp_path / "a" / "run.json").unlink()
        (tmp_path / "a" / "run.json").mkdir()
        raise OSError("the first")

    with pytest.raises(OSError, match="the first"), folder_at(tmp_path).opened(opening):
        break_both()


@pytest.mark.parametrize(("trained", "left"), [([], []), (["checkpoint"], ["a"])])
def test_what_cannot_be_trained_leaves_a_folder_only_where_something_was(tmp_path, trained, left):
    def train():
        for name in trained:
            (tmp_path / "a" / name).mkdir()
        raise UsageError("Expected another batch")

    with pytest.raises(UsageError), folder_at(tmp_path).opened(opening):
        train()
    assert [path.name for path in tmp_path.iterdir()] == left


def test_a_folder_of_another_split_and_a_second_process_are_refused(tmp_path):
    finished(tmp_path)
    other, second = folder_at(tmp_path, split_hash="t").opened(opening), folder_at(tmp_path).opened(opening)
    with pytest.raises(RunError, match="a run with split_hash t, found s in"):
        other.__enter__()
    with folder_at(tmp_path).opened(opening), pytest.raises(RunError, match="Expected the run a to be free"):
        second.__enter__()
