"""Small things that many tests share: a made-up manifest, a prepared data set of random tiles, a config."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.config import Config
from magsig_tf.config_files import build_config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.runs.run import Run
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace

MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
SIZE = 32


def tiny_manifest(cases: int = 20, images: int = 2, magnifications=MAGNIFICATIONS) -> pd.DataFrame:
    """Return a manifest: every second case is malignant; each has `images` images at every magnification."""
    rows = [
        {"case": f"case-{case:02d}", "magnification": magnification, "sequence": str(number)}
        for case in range(cases)
        for magnification in magnifications
        for number in range(images)
    ]
    frame = pd.DataFrame(rows)
    frame["label"] = np.where(frame["case"].str[-2:].astype(int) % 2, "malignant", "benign")
    frame["slide"] = frame["case"] + "A"
    frame["subtype"] = ""
    frame["path"] = frame["case"] + "/" + frame["magnification"] + "/" + frame["sequence"] + ".png"
    frame["pixel_sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in frame["path"]]
    bits = generator_for("tiny hashes").integers(0, 2**63, len(frame))
    frame["perceptual_hash"] = [f"{int(value):016x}" for value in bits]
    return frame.sort_values("path", ignore_index=True)


def tiny_dataset(
    workspace: Workspace, name: str = "tiny", size: int = SIZE, tinted: bool = False, darker: float = 0.6, **keywords
) -> PreparedDataset:
    """Write and open a prepared data set whose malignant tiles are darker: learnable in a few steps.

    Args:
        workspace: Where it lies.
        name: Of the data set.
        size: Height and width of the tiles, in pixels.
        tinted: Give each magnification a colour of its own, so that an embedding shows it.
        darker: Brightness of malignant tiles; benign ones have .9.
        **keywords: Those of `tiny_manifest`.
    """
    manifest = tiny_manifest(**keywords)
    random = generator_for("tiny tiles")
    malignant = (manifest["label"] == "malignant").to_numpy()
    images = random.integers(0, 256, (len(manifest), size, size, 3)).astype(np.float32)
    images *= np.where(malignant, darker, 0.9)[:, None, None, None]
    if tinted:
        tints = generator_for("tiny tints").uniform(0.5, 1.0, (len(MAGNIFICATIONS), 3))
        places = [MAGNIFICATIONS.index(magnification) for magnification in manifest["magnification"]]
        images *= tints[places][:, None, None, :]
    folder = workspace.data(name)
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images.astype(np.uint8))
    manifest.to_parquet(folder / "manifest.parquet")
    magnifications = list(keywords.get("magnifications", MAGNIFICATIONS))
    content = hashlib.sha256(images.tobytes()).hexdigest()
    write_json(
        folder / "dataset.json",
        {"name": name, "size": size, "content_hash": content, "magnifications": magnifications},
    )
    return PreparedDataset.open(folder)


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
