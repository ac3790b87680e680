"""A finished run leaves no graph behind, and with it no weights: a matrix of many runs stays as small as one."""

import gc

import pytest

from magsig_tf.execution.observer import Observer
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset


def graphs():
    """Return how many traced graphs the process holds."""
    gc.collect()
    return sum(type(item).__name__ == "FuncGraph" for item in gc.get_objects())


@pytest.mark.parametrize("method", ["baseline", "grl"])
def test_no_graph_of_a_run_is_left(tmp_path, method):
    workspace = Workspace(tmp_path)
    dataset = tiny_dataset(workspace)
    config = tiny_config(epochs=1, select_from=0.0, method=[method])
    run = Run.of(workspace, config.for_run(dataset="tiny", method=method, holdout="400X", patient_fold=0, seed=0))
    before = graphs()
    execute(run, dataset, Observer())
    assert graphs() <= before
