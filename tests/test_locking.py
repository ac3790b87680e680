from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from magsig_tf.errors import MagsigError, RunError
from magsig_tf.locking import holding

HOLD = """
import sys, time
from pathlib import Path
from magsig_tf.locking import holding
with holding(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_holds_it(tmp_path, holder):
    with (
        pytest.raises(RunError, match=f"run 7 .*process {holder.pid} on .* since 20"),
        holding(tmp_path / "lock", "run 7"),
    ):
        pytest.fail("two processes hold the same lock")


def test_a_killed_process_leaves_nothing_locked(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with holding(tmp_path / "lock", "it"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_the_lock_is_free_again_and_its_file_gone_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), holding(tmp_path / "deep" / "lock", "it"):
        _ = 1 / 0
    assert list((tmp_path / "deep").iterdir()) == []


def test_one_process_cannot_hold_it_twice(tmp_path):
    with (
        holding(tmp_path / "lock", "it"),
        pytest.raises(RunError, match="Wait for it"),
        holding(tmp_path / "lock", "it"),
    ):
        pytest.fail("held twice")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MagsigError, match="choose another --workspace"), holding(tmp_path / "file" / "lock", "it"):
        pytest.fail("locked below a file")
