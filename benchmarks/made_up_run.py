"""A prepared data set of random pixels, and the real parts of a run on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.seeding import generator_for

MAGNIFICATIONS = ("100X", "200X", "400X")
HOLDOUT = "400X"
SOURCES = len(MAGNIFICATIONS) - 1


def write_random_dataset(folder: Path, size: int, images: int = 4, cases: int = 20) -> PreparedDataset:
    """Write and open a prepared data set of random pixels.

    Args:
        folder: Where to write.
        size: Height and width in pixels.
        images: Images of each case at each of the three magnifications.
        cases: Cases, every second one malignant; at least 10, so that each of five patient folds has both classes.
    """
    rows = [
        {"path": f"{case:03d}/{magnification}/{number}.png", "case": f"{case:03d}", "magnification": magnification}
        for case in range(cases)
        for magnification in MAGNIFICATIONS
        for number in range(images)
    ]
    manifest = pd.DataFrame(rows)
    manifest["label"] = np.where(manifest["case"].astype(int) % 2, "malignant", "benign")
    manifest["slide"] = manifest["case"]
    manifest["pixel_sha256"] = manifest["path"]
    manifest["perceptual_hash"] = [
        f"{int(bits):016x}" for bits in generator_for("benchmark hashes").integers(0, 2**63, len(manifest))
    ]
    manifest = manifest.sort_values("path", ignore_index=True)
    folder.mkdir(parents=True)
    pixels = generator_for("benchmark pixels").integers(0, 256, (len(manifest), size, size, 3), np.uint8)
    np.save(folder / "images.npy", pixels)
    manifest.to_parquet(folder / "manifest.parquet")
    facts = {"name": "random", "size": size, "content_hash": "random", "magnifications": list(MAGNIFICATIONS)}
    write_json(folder / "dataset.json", facts)
    return PreparedDataset.open(folder)


def set_up_tensorflow() -> None:
    """Set TensorFlow up as a run with the default settings does, unless it runs in this process already."""
    from magsig_tf.execution.tensorflow_import import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    from magsig_tf.config import Settings
    from magsig_tf.execution.runtime import configure_tensorflow

    if tf.config.threading.get_inter_op_parallelism_threads() != 1:
        configure_tensorflow(Settings())


def run_parts(dataset: PreparedDataset, *, batch: int, method: str = "baseline", **settings: object):
    """Return the `RunParts` of a run, as `magsig train` builds them.

    Args:
        dataset: From `write_random_dataset`.
        batch: Images in a step, an even number.
        method: Name of the method.
        settings: Config keys; augmentation, dropout and the optimizer are the defaults.
    """
    import keras

    from magsig_tf.config_files import build_config
    from magsig_tf.data.splits import split_of
    from magsig_tf.training.parts import RunParts

    values = {
        "method": method,
        "weights": "none",
        "precision": "float32",
        "strategy": "one",
        "images_per_magnification": batch // SOURCES,
        **settings,
    }
    config = build_config(values).for_run(dataset="random", method=method, holdout=HOLDOUT, patient_fold=0, seed=0)
    before = keras.config.dtype_policy()
    try:
        return RunParts(config, dataset, split_of(config, dataset))
    finally:
        # the next run of this process has a precision of its own
        keras.config.set_dtype_policy(before)


class TimedStep:
    """The real training step on one batch, called without an argument; returns once the step is done.

    Args:
        dataset: From `write_random_dataset`.
        settings: As of `run_parts`.
    """

    def __init__(self, dataset: PreparedDataset, **settings: object):
        from magsig_tf.data.batches import read_batches
        from magsig_tf.training.step import TrainingStep

        self.parts = run_parts(dataset, **settings)
        self.step = TrainingStep(self.parts)
        self.batch = next(iter(read_batches(dataset.images, dataset.labels, self.parts.plan, epoch=0)))
        self.taken = 0

    def __call__(self) -> float:
        logs = self.step(self.batch, self.taken)
        self.taken += 1
        return float(logs["loss"])
