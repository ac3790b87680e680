"""A SavedModel that answers as an export does, with a network of one number: quick to write, and its answers known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

SIZE = 16
SLOPE = 8.0
MAGNIFICATIONS = ["100X", "200X"]


class StandIn(tf.Module):
    """Malignant where an image is bright: probability = sigmoid(SLOPE * (mean / 255 - 1/2))."""

    def __init__(self):
        super().__init__()
        self.slope = tf.Variable(SLOPE, name="slope")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")])
    def serving_default(self, images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2, 3))
        probability = tf.sigmoid(self.slope * (mean / 255.0 - 0.5))[:, tf.newaxis]
        return {"probability": probability, "label": tf.where(probability[:, 0] >= 0.5, "malignant", "benign")}


def write_stand_in(folder: Path, version: int = 1, **facts: object) -> Path:
    """Write one version of the stand-in below a model's folder, which is returned; `facts` go to `export.json`."""
    module = StandIn()
    place = folder / str(version)
    tf.saved_model.save(module, str(place), signatures={"serving_default": module.serving_default})
    write_facts(place, {"name": folder.name, "version": version} | facts)
    return folder


def write_facts(place: Path, facts: dict[str, object]) -> None:
    """Write `assets.extra/export.json` of a version."""
    extra = place / "assets.extra"
    extra.mkdir(exist_ok=True)
    known = {"image_size": SIZE, "resize": "squash", "labels": ["benign", "malignant"], "threshold": 0.5}
    known |= {"source_magnifications": MAGNIFICATIONS, "holdout": "400X"}
    (extra / "export.json").write_text(json.dumps(known | facts))


def expected_probability(pixels: np.ndarray) -> float:
    """Return what the stand-in says of prepared pixels."""
    return float(1 / (1 + np.exp(-SLOPE * (pixels.astype(np.float64).mean() / 255 - 0.5))))
