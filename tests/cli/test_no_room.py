"""A full disk and a workspace that cannot be written: one line, nothing half-written, and the work goes on later.

The limits are the kernel's: a bound on the size of files, permission bits, and a full disk where one may be mounted.
"""

import os
import subprocess
import sys

import pandas as pd
import pytest

from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.workspace import Workspace
from tests.cli.command_line import files, magsig, refused
from tests.cli.limits import bound_by_permissions, file_size_limit
from tests.data.small_images import breakhis_files, write_tar, write_tree
from tests.data.whole_dataset import check_whole
from tests.evaluation.fake_runs import FakeStudy
from tests.tiny import tiny_dataset

NAMES = tuple(f"SOB_B_A-14-{case}-40-{place:03d}.png" for case in range(4, 0, -1) for place in range(10))
TRAIN = ["train", "--holdout", "400X", "--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "8"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    return tmp_path


def data_files(folder) -> list[str]:
    return [name for name in files(folder) if ".preparing" not in name]


# 40 images of 32x32 take 120 kB, the manifest about 15 kB
@pytest.mark.parametrize("size", [0, 10, 20_000, 70_000])
@pytest.mark.parametrize("form", ["tree", "set.tar"])
def test_prepare_stops_where_files_may_not_grow_and_goes_on_later(here, form, size):
    write_tree(here / "tree", breakhis_files(NAMES))
    write_tar(here / "set.tar", breakhis_files(NAMES), "w")
    command = ["prepare", "--source", form, "--size", "32", "--workers", "1", "--workspace", "w"]
    with file_size_limit(size):
        answer = magsig(*command)
    refused(answer, 1, "Expected to write", "found: File too large", "Free space or choose another --workspace")
    assert data_files(here / "w") == []
    assert not [name for name in files(here) if ".tmp" in name]
    assert magsig(*command).code == 0
    check_whole(PreparedDataset.open(here / "w" / "data" / "breakhis"))
    assert files(here / "w" / "data" / ".preparing") == []


FULL = """
mount -t tmpfs -o size=100k tmpfs w
"$@" 2>first; echo $? >>codes
find w -type f >left
mount -o remount,size=16m w
"$@" 2>second; echo $? >>codes
cp -r w/data/breakhis whole
"""


@pytest.mark.full_disk
@pytest.mark.parametrize("form", ["tree", "set.tar"])
def test_prepare_on_a_disk_that_is_full_goes_on_when_there_is_room(here, form):
    write_tree(here / "tree", breakhis_files(NAMES))
    write_tar(here / "set.tar", breakhis_files(NAMES), "w")
    (here / "w").mkdir()
    (here / "full.sh").write_text(FULL)
    words = ["prepare", "--source", form, "--size", "32", "--workers", "1", "--workspace", "w"]
    command = [sys.executable, "-c", "from magsig_tf.cli.main import main; main()", *words]
    subprocess.run(["unshare", "--mount", "sh", "full.sh", *command], check=True, capture_output=True, timeout=300)
    assert (here / "codes").read_text().split() == ["1", "0"]
    (line,) = [line for line in (here / "first").read_text().splitlines() if "Error" in line]
    assert "found: No space left on device. Free space or choose another --workspace." in line
    left = (here / "left").read_text().splitlines()
    assert all(name.startswith("w/data/.preparing/") and ".tmp" not in name for name in left)
    check_whole(PreparedDataset.open(here / "whole"))
    expected = Preparation(here / "tree", here / "other", size=32).run(workers=1)
    assert PreparedDataset.open(here / "whole").content_hash == expected.content_hash


# the checkpoint takes 1.3 MB, the chosen weights 0.4 MB, the model 0.5 MB, the embeddings 81 kB
@pytest.mark.parametrize(("size", "file"), [(100_000, "best.npz"), (600_000, "last.npz")])
def test_training_keeps_what_it_has_and_goes_on_later(here, size, file):
    tiny_dataset(Workspace(here / "workspace"))
    command = [*TRAIN, "--inference-batch", "16", "--set", "augment=[]", "--set", "ema=0"]
    with file_size_limit(size):
        answer = magsig(*command)
    refused(answer, 1, f"{file}, found: File too large", "Free space or choose another --workspace")
    (folder,) = (here / "workspace").glob("runs/tiny/baseline/400X/*")
    assert '"status": "failed"' in (folder / "run.json").read_text()
    assert not [name for name in files(here) if ".tmp" in name]
    assert not (folder / "model.keras").exists()
    answer = magsig(*command)
    assert answer.code == 0, answer.errors
    assert len(pd.read_parquet(folder / "predictions.parquet"))


def test_tables_are_written_whole_or_not_at_all(here):
    study = FakeStudy(here / "workspace", cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X"])
    before = files(here)
    with file_size_limit(3000):
        answer = magsig("evaluate", "--replicates", "100")
    assert answer.code == 1
    assert "summary.csv, found: File too large. Free space" in answer.error
    assert "baseline" in answer.out  # what was calculated is shown all the same
    assert files(here) == before


@pytest.fixture
def read_only(here):
    """Make folders read-only; they can be removed again afterwards."""
    locked = []

    def lock(folder):
        folder.chmod(0o555)
        locked.append(folder)

    yield lock
    for folder in locked:
        folder.chmod(0o755)


@pytest.mark.parametrize("place", ["", "workspace", "workspace/data", "workspace/data/.preparing"])
def test_prepare_in_a_folder_that_may_only_be_read(here, read_only, place):
    write_tree(here / "tree", breakhis_files(NAMES[:3]))
    (here / place).mkdir(parents=True, exist_ok=True)
    read_only(here / place)
    before = files(here)
    with bound_by_permissions():
        answer = magsig("prepare", "--source", "tree", "--size", "8", "--workers", "1")
    refused(answer, 1, "Expected to write", "found: Permission denied", "choose another --workspace")
    assert files(here) == before


@pytest.mark.parametrize("place", ["workspace", "workspace/runs/tiny/baseline"])
def test_train_in_a_folder_that_may_only_be_read(here, read_only, place):
    tiny_dataset(Workspace(here / "workspace"))
    (here / place).mkdir(parents=True, exist_ok=True)
    read_only(here / place)
    before = files(here)
    with bound_by_permissions():
        answer = magsig(*TRAIN)
    refused(answer, 1, "Expected to write", "found: Permission denied", "choose another --workspace")
    assert files(here) == before


def test_evaluate_in_a_folder_that_may_only_be_read(here, read_only):
    study = FakeStudy(here / "workspace", cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X"])
    read_only(here / "workspace")
    before = files(here)
    with bound_by_permissions():
        answer = magsig("evaluate", "--replicates", "100")
        elsewhere = magsig("evaluate", "--replicates", "100", "--method", "baseline", "--csv", "numbers.csv")
    assert answer.code == 1
    assert "results/fake, found: Permission denied" in answer.error
    assert "baseline" in answer.out
    assert elsewhere.code == 0  # reading suffices where nothing is to be written
    assert files(here) == sorted([*before, "numbers.csv"])


def test_a_finished_data_set_may_lie_where_it_can_only_be_read(here, read_only):
    write_tree(here / "tree", breakhis_files(NAMES[:3]))
    command = ["prepare", "--source", "tree", "--size", "8", "--workers", "1"]
    assert magsig(*command).code == 0
    (here / "workspace" / "data" / ".preparing" / "breakhis").mkdir()  # as a kill after the last step leaves it
    read_only(here / "workspace" / "data" / ".preparing")
    with bound_by_permissions():
        answer = magsig(*command)
    assert answer.code == 0
    assert "already prepared" in answer.out


def test_sources_that_may_not_be_read(here):
    write_tree(here / "tree", breakhis_files(NAMES[:3]))
    write_tar(here / "set.tar", breakhis_files(NAMES[:3]))
    (here / "set.csv").write_text("path,label,magnification,case\n")
    for path in (here / "tree", here / "set.tar", here / "set.csv"):
        path.chmod(0)
    with bound_by_permissions():
        answers = [
            magsig("prepare", "--source", name, "--kind", kind)
            for name, kind in (("tree", "breakhis"), ("set.tar", "breakhis"), ("set.csv", "csv"))
        ]
    os.chmod(here / "tree", 0o755)
    for answer in answers:
        refused(answer, 1, "found: Permission denied", "Check")
    assert not (here / "workspace" / "data" / "breakhis").exists()
