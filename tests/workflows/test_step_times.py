"""How long steps took is kept, scaled to other numbers of runs, and never in the way."""

import math

import pytest

from magsig_tf.workflows.step_times import StepTimes
from magsig_tf.workspace import Workspace


def test_times_are_kept_and_scaled(tmp_path):
    workspace = Workspace(tmp_path)
    times = StepTimes.of(workspace, "tiny", "a/b")
    assert math.isnan(times.estimate("probe", 3))
    times.taken["probe"] = {"seconds": 10.0, "runs": 4}
    with times.measuring("evaluate", 4):
        pass
    again = StepTimes.of(workspace, "tiny", "a/b")
    assert again.estimate("probe", 8) == pytest.approx(20.0)
    assert 0 <= again.estimate("evaluate", 4) < 5
    assert again.path.parent == workspace.results() / "tiny"


@pytest.mark.parametrize("content", ["", "[]", '{"probe": 3}', '{"probe": {"seconds": "x", "runs": 1}}'])
def test_a_damaged_file_gives_no_estimate(tmp_path, content):
    workspace = Workspace(tmp_path)
    path = StepTimes.of(workspace, "tiny", "demo").path
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert math.isnan(StepTimes.of(workspace, "tiny", "demo").estimate("probe", 3))


def test_a_step_that_fails_leaves_no_time(tmp_path):
    times = StepTimes.of(Workspace(tmp_path), "tiny", "demo")
    with pytest.raises(ValueError, match="broken"), times.measuring("probe", 1):
        raise ValueError("broken")
    assert not times.path.exists()
