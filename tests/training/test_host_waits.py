"""The host reads nothing from the device between two log lines, and a step calls nothing on the host."""

import pytest

from magsig_tf.data.batches import read_batches
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset

LOG_EVERY = 4
# operations through which a graph calls Python or waits for another device's hand-over
CALLS_THE_HOST = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "PrintV2", "NumpyFunction", "_HostRecv", "_HostSend"}


def run_config(**changes):
    config = tiny_config(epochs=1, log_every=LOG_EVERY, method=["grl"], **changes)
    return config.for_run(dataset="tiny", method="grl", holdout="400X", patient_fold=0, seed=0)


@pytest.fixture
def dataset(tmp_path):
    return tiny_dataset(Workspace(tmp_path))


@pytest.fixture
def reads(tensorflow, monkeypatch):
    """Count how often a tensor's values are turned into numbers; every door leads through `_numpy`."""
    base = next(kind for kind in type(tensorflow.constant(0)).__mro__ if "_numpy" in vars(kind))
    inherited, found = base._numpy, []
    monkeypatch.setattr(base, "_numpy", lambda tensor: found.append(tensor.shape) or inherited(tensor))
    return found


def test_the_doors_are_counted(reads, tensorflow):
    tensor = tensorflow.constant(2.0)
    assert float(tensor) == int(tensor) == tensor.numpy() == tensorflow.get_static_value(tensor) == 2
    assert len(reads) == 4


def test_the_loop_reads_at_log_lines_alone(tmp_path, dataset, reads):
    read_before = {}

    class Counter(Observer):
        def step_done(self, step):
            read_before[step] = len(reads)

    execute(Run.of(Workspace(tmp_path), run_config()), dataset, Counter())
    assert len(read_before) > LOG_EVERY
    assert len({read_before[step] for step in range(1, LOG_EVERY + 1)}) == 1
    assert read_before[LOG_EVERY + 1] > read_before[LOG_EVERY]


def test_no_operation_of_a_step_calls_the_host(dataset, tensorflow):
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.step import TrainingStep

    config = run_config(ema=0.9)
    parts = RunParts(config, dataset, split_of(config, dataset))
    step = TrainingStep(parts)
    batch = next(iter(read_batches(dataset.images, dataset.labels, parts.plan, 0)))
    tensors = step._arrays(batch)
    graph = step._compiled.get_concrete_function(tensorflow.constant(0, tensorflow.int64), *tensors).graph
    kinds = {op.type for op in graph.get_operations()}
    kinds |= {node.op for function in graph.as_graph_def().library.function for node in function.node_def}
    assert "FusedBatchNormV3" in kinds
    assert not kinds & CALLS_THE_HOST
