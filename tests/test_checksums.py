"""What magsig wrote is read as it was written, or refused with one line that names the file."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest

from magsig_tf import checksums
from magsig_tf.atomic_files import write_text
from magsig_tf.checksums import (
    FILE,
    MARK,
    ChangedError,
    digest_of,
    read_signed_json,
    sign_folder,
    sign_tree,
    signing,
    unsign,
    unsigned_folders,
    verified,
    verify_tree,
    write_signed_json,
    write_signed_text,
)
from magsig_tf.parquet_files import read_parquet, write_parquet


@pytest.fixture(autouse=True)
def nothing_noted():
    unsigned_folders()
    yield
    unsigned_folders()


@pytest.fixture
def run(tmp_path):
    """A signed folder with a record and a table."""
    folder = tmp_path / "run"
    write_signed_json(folder / "run.json", {"seed": 3, "status": "done"} | MARK)
    write_parquet(folder / "predictions.parquet", pd.DataFrame({"probability": np.linspace(0, 1, 50)}))
    return folder


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 4


def zero(content: bytearray) -> None:
    content[8:40] = bytes(32)


def cut(content: bytearray) -> None:
    del content[-1]


def extend(content: bytearray) -> None:
    content += b"\n"


@pytest.mark.parametrize("change", [flip, zero, cut, extend], ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", ["run.json", "predictions.parquet", FILE])
def test_a_changed_byte_is_refused_in_one_line_that_names_the_file(run, name, change):
    content = bytearray((run / name).read_bytes())
    change(content)
    (run / name).write_bytes(content)
    read = read_parquet if name.endswith("parquet") else read_signed_json
    with pytest.raises(ChangedError) as error:
        read(run / ("run.json" if name == FILE else name))
    said = str(error.value)
    assert said.startswith(f"Expected {run / name} as magsig wrote it, found ")
    assert "magsig train" in said
    assert "\n" not in said


@pytest.mark.parametrize("name", ["run.json", "predictions.parquet"])
def test_a_file_that_is_gone_is_named(run, name):
    (run / name).unlink()
    with pytest.raises(ChangedError, match=rf"{name} as magsig wrote it, found it missing"):
        verified(run / name)


def test_the_file_of_another_run_is_refused(run, tmp_path):
    other = tmp_path / "other" / "predictions.parquet"
    write_parquet(other, pd.DataFrame({"probability": np.linspace(0, 0.5, 50)}))
    os.replace(other, run / "predictions.parquet")
    with pytest.raises(ChangedError, match="found it changed since"):
        read_parquet(run / "predictions.parquet")


def test_a_file_that_nobody_signed_is_refused_among_signed_ones(run):
    write_text(run / "config.yaml", "seed: 4\n")
    with pytest.raises(
        ChangedError, match=r"config.yaml as magsig wrote it, found no checksum of it in checksums.json"
    ):
        verified(run / "config.yaml")


def test_a_folder_that_lost_its_checksums_is_not_taken_for_one_of_before(run):
    (run / FILE).unlink()
    with pytest.raises(ChangedError, match=rf"{FILE} as magsig wrote it, found it missing"):
        read_signed_json(run / "run.json")


def test_a_folder_of_before_is_read_and_noted_once(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3}))
    assert read_signed_json(tmp_path / "run.json") == {"seed": 3}
    assert read_signed_json(tmp_path / "run.json") == {"seed": 3}
    assert unsigned_folders() == [tmp_path]
    assert unsigned_folders() == []


def test_files_of_strangers_are_no_unsigned_ones(tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"x")
    assert verified(tmp_path / "mine.npz") == tmp_path / "mine.npz"
    assert unsigned_folders() == []


def test_what_was_there_before_is_signed_with_the_first_new_file(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3}))
    write_signed_text(tmp_path / "config.yaml", "seed: 3\n")
    assert read_signed_json(tmp_path / "run.json") == {"seed": 3}
    (tmp_path / "run.json").write_text(json.dumps({"seed": 4}))
    with pytest.raises(ChangedError):
        read_signed_json(tmp_path / "run.json")


@pytest.mark.parametrize("after_renaming", [False, True])
def test_a_kill_while_a_file_is_replaced_leaves_the_old_or_the_new(run, monkeypatch, after_renaming):
    replace, stopped = os.replace, []

    def killed(source, target):
        if os.path.basename(target) == "run.json" and not stopped:
            stopped.append(target)
            if after_renaming:
                replace(source, target)
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_signed_json(run / "run.json", {"seed": 5})
    assert read_signed_json(run / "run.json")["seed"] == (5 if after_renaming else 3)
    write_signed_json(run / "run.json", {"seed": 6})
    assert read_signed_json(run / "run.json") == {"seed": 6}
    assert len(json.loads((run / FILE).read_text())["files"]["run.json"]) == 1


def test_a_kill_before_the_first_version_leaves_no_missing_file(tmp_path, monkeypatch):
    replace = os.replace

    def killed(source, target):
        if os.path.basename(target) == "probes.parquet":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt), signing(tmp_path / "probes.parquet") as temporary:
        temporary.write_bytes(b"table")
    assert not verified(tmp_path / "probes.parquet").exists()


def test_a_reader_is_not_misled_by_a_writer_beside_it(run, monkeypatch):
    problem, told = checksums._problem, []

    def meanwhile(path, digests):
        if not told:
            told.append(path)
            write_signed_json(path, {"seed": 7})
        return problem(path, digests)

    monkeypatch.setattr(checksums, "_problem", meanwhile)
    assert read_signed_json(run / "run.json") == {"seed": 7}


def test_repeating_the_command_mends_damaged_checksums(run):
    (run / FILE).write_text("{")
    write_signed_json(run / "run.json", {"seed": 8} | MARK)
    assert read_signed_json(run / "run.json")["seed"] == 8
    # the table beside it is proved by nothing any more
    with pytest.raises(ChangedError, match="no checksum of it"):
        read_parquet(run / "predictions.parquet")


def test_a_log_may_grow_until_the_folder_is_finished(run):
    log = run / "log.jsonl"
    log.write_text('{"step": 1}\n')
    sign_folder(run)
    assert verified(log) == log
    unsign(log)
    with log.open("a") as file:
        file.write('{"step": 2}\n')
    sign_folder(run)
    assert verified(log) == log
    log.write_text('{"step": 1}\n')
    with pytest.raises(ChangedError):
        verified(log)


def test_a_large_file_is_hashed_in_blocks_and_once(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "BLOCK", 3 * 2**20)
    read, block = [], checksums._block
    monkeypatch.setattr(checksums, "_block", lambda handle, start: read.append(start) or block(handle, start))
    path = tmp_path / "images.npy"
    with signing(path) as temporary:
        temporary.write_bytes(np.random.default_rng(0).bytes(7 * 2**20))
    before = digest_of(path)
    assert sorted(set(read)) == [0, 3 * 2**20, 6 * 2**20]
    read.clear()
    assert verified(path) == path
    assert digest_of(path) == before
    assert not read
    for place in (0, 3 * 2**20, 7 * 2**20 - 1):
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        other = tmp_path / f"{place}.npy"
        other.write_bytes(content)
        assert digest_of(other) != before


def test_a_tree_is_refused_whatever_of_it_changed(tmp_path):
    for name in ("saved_model.pb", "variables/data", "assets.extra/export.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    extra = tmp_path / "assets.extra"
    sign_tree(tmp_path, extra)
    verify_tree(tmp_path, extra)
    (tmp_path / "variables/data").write_text("other")
    with pytest.raises(ChangedError, match=r"variables/data as magsig wrote it.*Export the run again"):
        verify_tree(tmp_path, extra)
    (tmp_path / "variables/data").unlink()
    with pytest.raises(ChangedError, match="found it missing"):
        verify_tree(tmp_path, extra)
