"""One process at a time writes an output, and what a killed one left is told from what lives."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import pytest

from magsig_tf import locks
from magsig_tf.atomic_files import write_text
from magsig_tf.errors import MagsigError
from magsig_tf.locks import HeldError, holding, holding_file, new_temporary, sweep

HOLD = """
import sys, time
from pathlib import Path
from magsig_tf.atomic_files import replacing
from magsig_tf.locks import holding, holding_file
path = Path(sys.argv[2])
with {"lock": holding(path, "it"), "file": holding_file(path), "temporary": replacing(path)}[sys.argv[1]]:
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def process():
    """Start a process that holds something: process("lock", path); it ends when it is sent a line."""
    started = []

    def start(kind, path):
        command = [sys.executable, "-c", HOLD, kind, str(path)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_the_second_process_is_told_who_holds_it(tmp_path, process):
    holder = process("lock", tmp_path / "lock")
    with (
        pytest.raises(HeldError, match=f"run 7 .*process {holder.pid} on .* since 20") as told,
        holding(tmp_path / "lock", "run 7"),
    ):
        pytest.fail("two processes hold the same lock")
    back = pickle.loads(pickle.dumps(told.value))
    assert (str(back), back.path) == (str(told.value), tmp_path / "lock")


def test_one_who_waits_says_so_once_and_comes_next(tmp_path, process):
    holder, said = process("lock", tmp_path / "lock"), []

    def tell(text):
        said.append(text)
        holder.communicate("end\n")

    with holding(tmp_path / "lock", "run 7", wait=tell):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()
    assert len(said) == 1
    assert said[0].startswith(f"Waiting for run 7: held by process {holder.pid} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing_locked(tmp_path, process):
    kill(process("lock", tmp_path / "lock"))
    with holding(tmp_path / "lock", "it"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_the_lock_is_free_again_and_its_file_gone_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), holding(tmp_path / "deep" / "lock", "it"):
        _ = 1 / 0
    assert list((tmp_path / "deep").iterdir()) == []


def test_one_process_cannot_hold_it_twice(tmp_path):
    with (
        holding(tmp_path / "lock", "it"),
        pytest.raises(HeldError, match="Wait for it"),
        holding(tmp_path / "lock", "it"),
    ):
        pytest.fail("held twice")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MagsigError, match="choose another --workspace"), holding(tmp_path / "file" / "lock", "it"):
        pytest.fail("locked below a file")


@pytest.mark.parametrize("name", ["rows.csv", "r" * 250 + ".csv"])
def test_an_output_is_one_under_every_name_and_its_lock_is_hidden(tmp_path, name):
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    with holding_file(tmp_path / "real" / name):
        (lock,) = (tmp_path / "real").iterdir()
        assert lock.name.startswith(".")
        with pytest.raises(HeldError), holding_file(tmp_path / "linked" / "." / name):
            pytest.fail("two processes write one file")
    assert list((tmp_path / "real").iterdir()) == []


def test_no_device_gets_a_lock():
    with pytest.raises(MagsigError, match="found a folder, device or pipe"), holding_file("/dev/full"):
        pytest.fail("a device was locked")


@pytest.mark.parametrize("kind", ["file", "temporary"])
def test_the_next_writer_removes_what_a_kill_left_and_nothing_that_lives(tmp_path, process, kind):
    killed, alive = process(kind, tmp_path / "killed.csv"), process(kind, tmp_path / "alive.csv")
    kill(killed)
    assert len(list(tmp_path.iterdir())) == 2
    write_text(tmp_path / "other.csv", "1")
    (left,) = [path.name for path in tmp_path.iterdir() if path.name != "other.csv"]
    assert "alive" in left
    alive.communicate("end\n")
    assert not any("killed" in path.name or "lock" in path.name for path in tmp_path.iterdir())


def test_what_only_looks_like_ours_stays(tmp_path):
    others = [
        ".a.tmp.csv",
        ".x.0123abcd.tmp.csv",
        "a.lock",
        ".a.lock",
        "b.csv.partial",
        ".magsig-notes",
        "c.magsig.lock",
    ]
    for name in others:
        (tmp_path / name).write_text("")
    (tmp_path / ".folder.magsig.lock").mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, ".folder.magsig.lock"])


def test_a_temporary_file_of_another_host_is_left_for_a_day(tmp_path, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(locks, "_name", lambda: "elsewhere")
        path, handle = new_temporary(tmp_path / "a.csv")
        os.close(handle)
    sweep(tmp_path)
    assert path.exists()  # its locks may not reach this host
    os.utime(path, (0, 0))
    sweep(tmp_path)
    assert not path.exists()


def test_a_sweep_between_making_and_locking_costs_nothing(tmp_path, monkeypatch):
    real, swept = locks.fcntl.flock, []

    def flock(handle, how):
        if not swept:
            swept.append(handle)
            sweep_with_real_locks()
        real(handle, how)

    def sweep_with_real_locks():
        monkeypatch.setattr(locks.fcntl, "flock", real)
        sweep(tmp_path)
        monkeypatch.setattr(locks.fcntl, "flock", flock)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    path, handle = new_temporary(tmp_path / "a.csv")
    assert swept
    assert os.path.samestat(os.fstat(handle), path.stat())
    os.close(handle)
