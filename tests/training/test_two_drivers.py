"""Two `magsig train` of one matrix, started at once: they share its runs, and both end well."""

from __future__ import annotations

import json

import pytest

from magsig_tf.workspace import Workspace
from tests.tiny import tiny_dataset
from tests.torture.commands import begin

WORDS = [
    *("train", "--method", "baseline", "--seed", "0", "1", "--holdout", "40X", "400X", "--encoder", "small_cnn"),
    *("--epochs", "1", "--images-per-magnification", "4", "--inference-batch", "16", "--set", "augment=[]", "--json"),
]


@pytest.mark.slow
def test_two_drivers_of_one_matrix_share_its_runs_and_both_end_well(tmp_path):
    tiny_dataset(Workspace(tmp_path / "workspace"))
    drivers = [begin(WORDS, tmp_path, stderr=-1) for _ in range(2)]
    answers = [driver.communicate(timeout=600) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], answers
    first, second = (json.loads(said) for said, _ in answers)
    assert {run["folder"] for run in first["done"]} == {run["folder"] for run in second["done"]}
    assert len(first["done"]) == 4
    assert first["summary"] == second["summary"]
    assert first["failed"] == second["failed"] == []
    assert any("Waiting for the run" in errors or "Put off" in errors for _, errors in answers), answers
    assert not list((tmp_path / "workspace").rglob("*lock*"))
