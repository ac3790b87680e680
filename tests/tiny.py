"""Small things that many tests share: the tiny data set and a config that trains on it."""

from __future__ import annotations

from pathlib import Path

from magsig_tf.config import Config
from magsig_tf.config_files import build_config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.runs.run import Run
from magsig_tf.testing.tiny_data import MAGNIFICATIONS, SIZE, tiny_dataset, tiny_manifest
from magsig_tf.workspace import Workspace

__all__ = ["MAGNIFICATIONS", "SIZE", "tiny_config", "tiny_dataset", "tiny_manifest"]


def tiny_config(**changes) -> Config:
    """Return a config that trains in a second or two."""
    values = {
        "dataset": "tiny",
        "method": ["baseline"],
        "holdout": ["400X"],
        "encoder": "small_cnn",
        "epochs": 2,
        "images_per_magnification": 4,
        "learning_rate": 0.003,
        "log_every": 2,
        "inference_batch": 16,
    }
    return build_config(values | changes)


def trained_study(folder: Path, method: str) -> tuple[Run, PreparedDataset]:
    """Return a finished run of a method in a workspace, with its data; what is there is left as it is."""
    from magsig_tf.execution.observer import Observer
    from magsig_tf.training.run import execute

    workspace = Workspace(folder)
    data = workspace.data("tiny")
    prepared = PreparedDataset.open(data) if data.exists() else tiny_dataset(workspace)
    config = tiny_config(method=[method]).for_run(dataset="tiny", method=method, holdout="400X", patient_fold=0, seed=0)
    run = Run.of(workspace, config)
    execute(run, prepared, Observer())
    return run, prepared
