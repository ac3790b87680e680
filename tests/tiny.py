"""Small things that many tests share: the tiny data set and a config that trains on it."""

from __future__ import annotations

from magsig_tf.config import Config
from magsig_tf.config_files import build_config
from magsig_tf.testing.tiny_data import MAGNIFICATIONS, SIZE, tiny_dataset, tiny_manifest

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
