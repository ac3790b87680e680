"""Every command that writes, on data so small that it takes seconds, and the workspaces that they begin with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.seeding import generator_for
from tests.serving.tiny_export import write_files

_TINY = (
    *("--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "4", "--inference-batch", "16"),
    *("--learning-rate", "0.003", "--set", "augment=[]", "--set", "checkpoint_every=4", "--set", "log_every=4"),
)
_TINY_GAN = ("--gan-size", "16", "--gan-width", "8", "--gan-steps", "8", "--gan-check-every", "4")
_QUICK = ("--replicates", "100")
_PHANTOM = ("development_benign=5", "development_malignant=5", "test_benign=2", "test_malignant=2", "tiles=1")
_CONFIG = """dataset: tiles
method: [baseline]
holdout: [200X]
encoder: small_cnn
epochs: 1
images_per_magnification: 4
inference_batch: 16
augment: []
"""

EMPTY, TRAINED = "empty", "trained"
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "prepare-csv": (
        EMPTY,
        ("prepare", "--source", "files/tiny.csv", "--name", "tiles", "--size", "32", "--workers", "2"),
    ),
    "prepare-phantom": (
        EMPTY,
        ("prepare", "--phantom", "--size", "32", *(word for each in _PHANTOM for word in ("--phantom-set", each))),
    ),
    "prepare-embeddings": (
        EMPTY,
        ("prepare", "--source", "files/uni.npz", "--manifest", "files/tiny.csv", "--name", "uni"),
    ),
    "train-exact": (TRAINED, ("train", "--dataset", "uni", "--method", "linear", "erasure", "--holdout", "200X")),
    "gan": (TRAINED, ("gan", "--dataset", "tiles", "--holdout", "100X", *_TINY_GAN)),
    "train": (
        TRAINED,
        ("train", "--dataset", "tiles", "--method", "baseline", "--holdout", "200X", *_TINY, "--csv", "trained.csv"),
    ),
    "embed": (TRAINED, ("embed", "--dataset", "tiles", "--encoder", "small_cnn", "--views", "2")),
    "evaluate": (TRAINED, ("evaluate", *_QUICK)),
    "probe": (TRAINED, ("probe", "--workers", "1", *_QUICK)),
    "signatures": (TRAINED, ("signatures", "--compare-folds", *_QUICK)),
    "compare": (TRAINED, ("compare", "gan", "baseline", *_QUICK)),
    "claims": (TRAINED, ("claims", *_QUICK)),
    "augmentation": (TRAINED, ("augmentation", *_QUICK)),
    "report": (TRAINED, ("report", *_QUICK)),
    "export": (TRAINED, ("export", "--method", "gan", "--holdout", "400X", "--temperature")),
    "predict": (TRAINED, ("predict", "--model", "saved_models/baseline-400x", "files", "--out", "out/p.csv")),
    "explain": (
        TRAINED,
        ("explain", "--model", "saved_models/baseline-400x", "files/case-00", "--out", "out/heat.png"),
    ),
    "reproduce": (TRAINED, ("reproduce", "--config", "again.yaml", "--until", "evaluate")),
}
"""Name to the folder that it begins in, and its words."""


def begin(command: list[str], folder: Path, **given: object) -> subprocess.Popen[str]:
    """Start `magsig COMMAND` in a folder, in a process group of its own, its temporary files below the folder."""
    code = "from magsig_tf.cli.main import main; main()"
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGSIG_")}
    environment |= {"TMPDIR": str(folder / "tmp"), "TORTURED": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", code, *command]
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | given
    return subprocess.Popen(words, cwd=folder, env=environment, start_new_session=True, **said)  # type: ignore[call-overload]


def finish(command: list[str], folder: Path) -> str:
    """Run `magsig COMMAND` to its end and return what it said.

    Raises:
        AssertionError: it ends with another status than 0.
    """
    with begin(command, folder) as process:
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, f"magsig {' '.join(command)} ended with {process.returncode}: {said}"
    return said


def _write_embeddings(manifest: Path) -> None:
    """Write an embedding of each image that a CSV lists, in its order, beside it."""
    labels = pd.read_csv(manifest)["label"].eq("malignant").to_numpy(float)
    values = generator_for("tortured embeddings").normal(size=(len(labels), 12)) + labels[:, None]
    np.savez(manifest.with_name("uni.npz"), features=values.astype(np.float32))


def beginnings(root: Path) -> dict[str, Path]:
    """Make the folders that commands begin in: one with images alone, one with runs, GANs and an exported model."""
    empty, trained = root / EMPTY, root / TRAINED
    _write_embeddings(write_files(empty / "files"))
    (empty / "again.yaml").write_text(_CONFIG, encoding="utf-8")
    shutil.copytree(empty, trained)
    finish(["prepare", "--source", "files/tiny.csv", "--name", "tiles", "--size", "32", "--workers", "1"], trained)
    finish(
        ["train", "--dataset", "tiles", "--method", "baseline", "gan", "--holdout", "400X", *_TINY, *_TINY_GAN], trained
    )
    finish(list(COMMANDS["prepare-embeddings"][1]), trained)
    finish(["export", "--dataset", "tiles", "--method", "baseline", "--holdout", "400X"], trained)
    shutil.rmtree(trained / "tmp")
    return {EMPTY: empty, TRAINED: trained}
