"""`kill -9` in the middle of `prepare`, and two of them at the same time: the data set is whole or not there."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from tests.data.preparation.kill_everywhere import NOTHING_TO_DO, fingerprint
from tests.data.small_images import breakhis_files, png, random_pixels, write_tar, write_tree
from tests.data.whole_dataset import check_whole

ROOT = Path(__file__).resolve().parents[3]
NAMES = tuple(f"SOB_B_A-14-{case}-40-{place:03d}.png" for case in (30, 10, 20) for place in range(16))


def killed_everywhere(*arguments) -> list[dict]:
    command = [sys.executable, "-m", "tests.data.preparation.kill_everywhere", *map(str, arguments)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, cwd=ROOT)
    lines = answer.stdout.splitlines()
    *kills, last = map(json.loads, lines)
    assert not last["killed"]
    assert all(kill["killed"] for kill in kills)
    return kills


@pytest.mark.slow
def test_a_kill_at_any_moment_costs_at_most_the_images_in_work(tmp_path):
    # an archive out of order: the longest way, with a sorted copy of the pixels
    archive = write_tar(tmp_path / "b.tar", breakhis_files(NAMES), "w")
    Preparation(archive, tmp_path / "whole", size=16).run(workers=1)
    whole = fingerprint(tmp_path / "whole")
    kills = killed_everywhere(archive, tmp_path / "w", 6)
    assert len(kills) > 8
    for kill in kills:
        assert kill["repeated"] == 0
        assert kill["content"] == whole
        # a lock file may stay behind a kill; it locks nobody out
        assert kill["left"] in ([], ["breakhis.lock"])
        # nothing half-written has the name of a data set
        assert kill["at_death"] in (None, whole)
        assert kill["resumed"] == NOTHING_TO_DO if kill["at_death"] else kill["resumed"] >= kill["decoded"]
    assert {kill["decoded"] for kill in kills} >= {0, len(NAMES)}
    assert any(0 < kill["resumed"] < len(NAMES) for kill in kills)
    assert any(kill["resumed"] == NOTHING_TO_DO for kill in kills)


@pytest.mark.slow
def test_a_kill_while_a_data_set_is_replaced_leaves_the_old_or_the_new(tmp_path):
    before = write_tree(tmp_path / "before", breakhis_files(NAMES[:5]))
    Preparation(before, tmp_path / "old", size=16).run(workers=1)
    tree = write_tree(tmp_path / "tree", breakhis_files(NAMES))
    Preparation(tree, tmp_path / "whole", size=16).run(workers=1)
    old, whole = fingerprint(tmp_path / "old"), fingerprint(tmp_path / "whole")
    kills = killed_everywhere(tree, tmp_path / "w", 9, tmp_path / "old")
    assert {kill["at_death"] for kill in kills} == {old, whole}
    assert all((kill["repeated"], kill["content"]) == (0, whole) for kill in kills)


def start(folder: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from magsig_tf.cli.main import main; main()", "prepare", *words]
    command += ["--size", "8", "--workers", "1", "--workspace", str(folder / "w")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGSIG_")}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def large_images(folder: Path) -> Path:
    """Write images that take some tenths of a second to decode, so that there is a middle to stop in."""
    large = png(random_pixels("large", 900, 900))
    return write_tree(folder / "tree", {f"SOB_B_A-14-{number}-40-001.png": large for number in range(30)})


WAITING = """
import sys
from magsig_tf.data.preparation.prepare import Preparation

def wait_in_the_middle(state):
    if state.images == 8:
        print("ready", flush=True)
        sys.stdin.readline()

Preparation(sys.argv[1], sys.argv[2], size=8).run(workers=1, progress=wait_in_the_middle)
"""


def test_a_second_process_is_told_who_is_preparing_and_the_first_ends_well(tmp_path):
    source = write_tree(tmp_path / "tree", breakhis_files(NAMES))
    command = [sys.executable, "-c", WAITING, str(source), str(tmp_path / "w")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "ready\n"
        with start(tmp_path, "--source", str(source)) as second:
            said = second.communicate(timeout=300)[1]
        first.communicate("go on\n", timeout=300)
    assert second.returncode == 1
    (line,) = [line for line in said.splitlines() if "Error" in line]
    assert f"Expected data set 'breakhis' to be free, found it held by process {first.pid} on" in line
    assert "Wait for it to end" in line
    assert first.returncode == 0
    check_whole(PreparedDataset.open(tmp_path / "w" / "data" / "breakhis"))


def test_processes_that_start_at_the_same_time_leave_one_whole_data_set(tmp_path):
    source = str(large_images(tmp_path))
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(start(tmp_path, "--source", source)) for _ in range(3)]
        said = [process.communicate(timeout=300)[1] for process in processes]
    for process, errors in zip(processes, said, strict=True):
        assert process.returncode == 0 or "found it held by process" in errors
        assert "Traceback" not in errors
    assert 0 in [process.returncode for process in processes]
    dataset = PreparedDataset.open(tmp_path / "w" / "data" / "breakhis")
    check_whole(dataset)
    assert len(dataset.manifest) == 30
    assert list((tmp_path / "w" / "data" / ".preparing").iterdir()) == []
