"""A run that is killed and started again ends with the same bits as one that was left alone."""

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from magsig_tf.execution.observer import Observer
from magsig_tf.execution.run_log import read_log
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.made_up_gans import fold_of, gan_run, write_fold
from tests.signals import send_at_step
from tests.tiny import tiny_config, tiny_dataset
from tests.training.stopping import Stopping

COMMAND = [
    *(sys.executable, "-c", "from magsig_tf.cli.main import main; main()"),
    *("train", "--method", "grl", "--holdout", "400X", "--dataset", "tiny"),
    # the hard case: dropout inside, unfused norms, augmentation, a weight average, two domain updates
    *("--encoder", "magsig_tf.models.encoders.small_cnn:build_with_dropout", "--ema", "0.8", "--domain-updates", "2"),
    *("--epochs", "3", "--images-per-magnification", "4", "--learning-rate", "0.003", "--inference-batch", "16"),
    *("--log-every", "1", "--checkpoint-every", "2"),
]


def start(workspace):
    return subprocess.Popen(
        [*COMMAND, "--workspace", str(workspace)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def folder(workspace):
    return next(workspace.glob("runs/tiny/grl/400X/*"))


def stop_at(workspace, step, number):
    """Start the run and send it a signal once its log holds `step`; return its error output."""
    process = start(workspace)
    send_at_step(process, workspace, "runs/tiny/grl/400X/*/log.jsonl", step, number, 120)
    _, errors = process.communicate(timeout=240)
    assert process.returncode != 0, "the run ended before the signal came"
    return errors


def finish(workspace):
    process = start(workspace)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return errors


@pytest.mark.slow
def test_a_gan_run_goes_on_with_the_same_synthetic_images(tmp_path):
    ends = []
    for name, stop in (("whole", 0), ("broken", 7)):
        workspace = Workspace(tmp_path / name)
        prepared = tiny_dataset(workspace)
        run = gan_run(workspace, epochs=2, checkpoint_every=100)
        write_fold(fold_of(run, prepared), prepared)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                execute(run, prepared, Stopping(stop))
            assert run.status == "running"
        execute(run, prepared, Observer())
        with np.load(run.folder / "embeddings.npz") as stored:
            ends.append(stored["embedding"])
    np.testing.assert_array_equal(*ends)


def epochs_in_log(run):
    found = [record for record in read_log(run.folder / "log.jsonl") if record["kind"] == "epoch"]
    return [{key: record[key] for key in record if key != "images_per_second"} for record in found]


@pytest.mark.parametrize(
    "last_step",
    [pytest.param(6, id="of the first epoch", marks=pytest.mark.slow), pytest.param(12, id="of the last epoch")],
)
def test_a_run_stopped_at_the_last_step_of_an_epoch_still_validates_it(trained, tmp_path, last_step):
    whole, prepared = trained("grl")
    config = tiny_config(method=["grl"], checkpoint_every=6)
    run = Run.of(
        Workspace(tmp_path), config.for_run(dataset="tiny", method="grl", holdout="400X", patient_fold=0, seed=0)
    )
    with pytest.raises(KeyboardInterrupt):
        execute(run, prepared, Stopping(last_step))
    execute(run, prepared, Observer())
    assert [record["step"] for record in epochs_in_log(run)] == [6, 12]
    assert epochs_in_log(run) == epochs_in_log(whole)


@pytest.mark.slow
def test_killed_and_interrupted_runs_end_with_the_same_bits(tmp_path):
    import keras

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for workspace in (whole, broken):
        tiny_dataset(Workspace(workspace))
    finish(whole)
    stop_at(broken, 3, signal.SIGKILL)
    assert json.loads((folder(broken) / "run.json").read_text())["status"] == "running"
    # a log cut off in the middle of a line, as a kill can leave it
    with (folder(broken) / "log.jsonl").open("a") as log:
        log.write('{"kind": "train", "st')
    said = stop_at(broken, 9, signal.SIGINT)
    assert "the same command resumes from there" in said
    assert "Resumed at step" in finish(broken)

    model_a, model_b = (keras.models.load_model(folder(w) / "model.keras", safe_mode=True) for w in (whole, broken))
    for a, b in zip(model_a.weights, model_b.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    a, b = (pd.read_parquet(folder(w) / "predictions.parquet") for w in (whole, broken))
    pd.testing.assert_frame_equal(a, b, check_exact=True)
    with np.load(folder(whole) / "embeddings.npz") as a, np.load(folder(broken) / "embeddings.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)
    steps = [
        [json.loads(line)["step"] for line in (folder(w) / "log.jsonl").read_text().splitlines()]
        for w in (whole, broken)
    ]
    assert steps[0] == steps[1]
    assert not (folder(broken) / "checkpoint").exists()
