"""Several devices and several processes: the same weights as one, one writer, and a clear end when one is lost."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.execution.workers import read_cluster
from magsig_tf.training.evaluated_network import Inference
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_dataset

BATCH = 16
COMMAND = [
    *(sys.executable, "-c", "from magsig_tf.cli.main import main; main()"),
    *("train", "--method", "grl", "--holdout", "400X", "--dataset", "tiny", "--strategy", "multiworker"),
    *("--encoder", "small_cnn", "--images-per-magnification", "4", "--inference-batch", str(BATCH), "--log-every", "1"),
]


def environment(index, ports):
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return os.environ | {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}


PORTS = itertools.cycle(range(10_000 + os.getpid() % 1_000 * 20, 32_000))


def free_ports(count):
    """Return ports below those that the system gives to whoever asks for any: no other test takes one meanwhile."""
    ports = []
    while len(ports) < count:
        port = next(PORTS)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("localhost", port))
            ports.append(port)
    return ports


def start(*words, **keywords):
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, words)), stdout=pipe, stderr=pipe, text=True, **keywords)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    tiny_dataset(Workspace(folder))
    return folder


@pytest.fixture(scope="module")
def weights(workspace):
    """Weights after 20 steps, by strategy and process."""
    script = [sys.executable, "-m", "tests.training.replica_script"]
    ports = free_ports(2)
    processes = [start(*script, kind, workspace, workspace / kind) for kind in ("one", "mirrored")]
    processes += [
        start(*script, "multiworker", workspace, workspace / "multiworker", env=environment(index, ports))
        for index in (0, 1)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    names = ("one-0", "mirrored-0", "multiworker-0", "multiworker-1")
    return {name: dict(np.load(workspace / f"{name}.npz")) for name in names}


def largest_difference(first, second):
    assert set(first) == set(second)
    return max(float(np.abs(first[name].astype(float) - second[name]).max()) for name in first)


@pytest.mark.slow
def test_two_processes_and_two_replicas_end_with_the_same_weights(weights):
    assert weights["mirrored-0"]["steps"] == 20
    assert largest_difference(weights["multiworker-0"], weights["multiworker-1"]) == 0.0
    assert largest_difference(weights["multiworker-0"], weights["mirrored-0"]) < 1e-6


@pytest.mark.slow
def test_one_process_on_the_same_global_batch_ends_there_too(weights):
    for name in ("mirrored-0", "multiworker-0"):
        assert largest_difference(weights[name], weights["one-0"]) < 1e-5
    assert weights["one-0"]["moved"] > 0.01  # what is compared has been trained


def finished(processes):
    told = [process.communicate(timeout=240) for process in processes]
    return [process.returncode for process in processes], [errors for _, errors in told]


@pytest.mark.slow
def test_a_lost_process_ends_the_others_and_the_same_command_goes_on(tmp_path):
    workspace = tmp_path  # of its own: the shared one holds runs of other tests
    tiny_dataset(Workspace(workspace))
    command = [*COMMAND, "--epochs", "15", "--checkpoint-every", "2", "--workspace", workspace]
    ports = free_ports(2)
    chief, follower = (start(*command, env=environment(index, ports)) for index in (0, 1))
    deadline = time.monotonic() + 120
    while not list(workspace.glob("runs/tiny/grl/400X/*/checkpoint/last.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    follower.send_signal(signal.SIGKILL)
    _, errors = chief.communicate(timeout=240)
    follower.communicate(timeout=240)
    assert chief.returncode == 1, errors
    said = [line for line in errors.splitlines() if line.startswith("Error:")]
    assert said == [
        f"Error: Expected all 2 processes of the run to go on, found localhost:{ports[1]} gone. See its own message, "
        "then start the same command on every host: the run resumes from its checkpoint."
    ]
    (folder,) = workspace.glob("runs/tiny/grl/400X/*")
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    ports = free_ports(2)
    codes, errors = finished([start(*command, env=environment(index, ports)) for index in (0, 1)])
    assert codes == [0, 0], errors
    assert all("Resumed at step" in text for text in errors)
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["strategy"]) == ("done", "multiworker x 2")
    assert record["steps"] == 15 * 6


@pytest.mark.slow
def test_only_the_chief_writes_and_what_is_saved_predicts_the_same(workspace, tmp_path, tensorflow):
    """The follower has its own copy of the data and a workspace of its own, which stays as it was."""
    from magsig_tf.models.saved_model import load_saved_model

    tiny_dataset(Workspace(tmp_path))
    ports = free_ports(2)
    processes = [
        start(*COMMAND, "--epochs", "2", "--ema", "0.5", "--workspace", place, env=environment(index, ports))
        for index, place in enumerate((workspace, tmp_path))
    ]
    codes, errors = finished(processes)
    assert codes == [0, 0], errors
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    record = max(workspace.glob("runs/tiny/grl/400X/*/run.json"), key=lambda path: path.stat().st_mtime)
    stored = pd.read_parquet(record.parent / "predictions.parquet")
    images = np.load(workspace / "data" / "tiny" / "images.npy")
    # in batches of the run's size: on some processors another size sums in another order
    inference = Inference(load_saved_model(record.parent / "model.keras"), images, BATCH)
    np.testing.assert_allclose(inference(stored["row"].to_numpy())[0], stored["logit"], atol=1e-6)


@pytest.mark.slow
def test_different_data_on_two_hosts_is_refused_on_both(workspace, tmp_path):
    tiny_dataset(Workspace(tmp_path), images=3)
    ports = free_ports(2)
    processes = [
        start(*COMMAND, "--epochs", "1", "--workspace", place, env=environment(index, ports))
        for index, place in enumerate((workspace, tmp_path))
    ]
    codes, errors = finished(processes)
    assert codes == [1, 1], errors
    assert "dataset_hash" in errors[1]
    assert "found other data somewhere" in errors[0]
    assert not any("Traceback" in text for text in errors)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("{", "found '{'"),
        ('{"cluster": {}, "task": {"type": "worker", "index": 0}}', "worker"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "worker 1 among 1"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 1}}', "an address twice"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "ps"),
    ],
)
def test_a_cluster_that_is_none_is_refused_with_an_example(text, said, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError) as error:
        read_cluster()
    assert said in str(error.value)
    assert "host1:12345" in str(error.value)


def test_a_chief_of_its_own_comes_first(monkeypatch):
    description = {"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(description))
    cluster = read_cluster()
    assert (cluster.addresses, cluster.index) == (("a:1", "b:1", "c:1"), 2)
    message = "remote target /job:worker/replica:0/task:0 while calling; /job:worker/replica:0/task:1/device:CPU:0"
    assert cluster.others_named_in(message) == ["b:1"]
