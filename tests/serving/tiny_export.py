"""A run of a second or two on image files, to be exported."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_manifest


@dataclass(frozen=True)
class TinyStudy:
    """A workspace with one finished run.

    Args:
        workspace: Where it lies.
        prepared: Its data, from PNG files of 48 x 40 pixels.
        folder: Of the run.
    """

    workspace: Workspace
    prepared: PreparedDataset
    folder: Path


def write_files(folder: Path) -> Path:
    """Write smooth images whose malignant ones are darker, and return the CSV that lists them."""
    manifest = tiny_manifest()[["path", "label", "magnification", "case"]]
    random = generator_for("tiny files")
    for path, label in zip(manifest["path"], manifest["label"], strict=True):
        coarse = random.integers(0, 256, (10, 12, 3)) * (0.6 if label == "malignant" else 0.9)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse.astype(np.uint8)).resize((48, 40), Image.Resampling.BICUBIC).save(folder / path)
    manifest.to_csv(folder / "tiny.csv", index=False)
    return folder / "tiny.csv"


def tiny_study(root: Path, resize: str = "squash", **settings) -> TinyStudy:
    """Prepare the files and train one run on them."""
    from magsig_tf.execution.observer import Observer
    from magsig_tf.runs.run import Run
    from magsig_tf.training.run import execute

    workspace = Workspace(root / "workspace")
    source = write_files(root / "files")
    prepared = Preparation(source, workspace, name="tiny", size=32, resize=resize).run(workers=1)
    config = tiny_config(**settings).for_run(dataset="tiny", method="baseline", holdout="400X", patient_fold=0, seed=0)
    run = Run.of(workspace, config)
    execute(run, prepared, Observer())
    return TinyStudy(workspace, prepared, run.folder)


@functools.cache
def shared_study(new_folder: Callable[[str], Path]) -> TinyStudy:
    """Return the study of this process, trained once; whoever changes it copies it first.

    Args:
        new_folder: `tmp_path_factory.mktemp`.
    """
    return tiny_study(new_folder("served"))
