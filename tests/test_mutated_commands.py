"""Files of every kind are changed and read by their commands: none is calculated with, none ends in a traceback."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from magsig_tf.checksums import FILE
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import read_checkpoint
from magsig_tf.seeding import generator_for
from tests.cli.command_line import Answer, magsig
from tests.serving.tiny_export import write_files
from tests.test_mutations import mutated

ROUNDS = 1
"""Times that every change of `mutated` is made, each at other places of the file."""
COMMON = ("--encoder", "small_cnn", "--epochs", 2, "--images-per-magnification", 4, "--no-tensorboard")
STUDY = ("--method", "baseline", "--holdout", "200X,400X", *COMMON)
GANS = (
    "--gan-size",
    16,
    "--gan-width",
    4,
    "--gan-latent",
    8,
    "--gan-batch",
    8,
    "--gan-steps",
    6,
    "--gan-check-every",
    3,
)


class Stopping(Observer):
    """Interrupts a training in its second epoch."""

    def step_done(self, step: int) -> None:
        if step == 9:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tensorflow):
    """A study with everything that commands leave, and what an interrupted training and prediction leave."""
    root = tmp_path_factory.mktemp("mutations")
    source = write_files(root / "files")
    for words in (
        ("prepare", "--source", source, "--name", "tiny", "--size", 32),
        ("train", *STUDY),
        ("gan", "--holdout", "400X", *GANS),
        ("evaluate", "--replicates", 100),
        ("signatures", "--compare-folds", "--replicates", 100),
        ("probe", "--replicates", 100),
    ):
        answer = magsig(*words, "--workspace", root / "workspace")
        assert answer.code == 0, answer.errors
    run = sorted((root / "workspace").glob("runs/tiny/baseline/400X/*"))[0]
    assert magsig("export", "--run", run, "--name", "m", "--output", root / "models").code == 0
    _interrupted_training(root / "workspace")
    _interrupted_prediction(root)
    (checkpoint,) = (root / "workspace").glob("runs/tiny/baseline/100X/*/checkpoint/last.npz")
    shutil.copyfile(checkpoint, root / "kept.npz")
    return root


def _interrupted_training(workspace: Path) -> None:
    from magsig_tf.runs.run import Run
    from magsig_tf.training.run import execute
    from magsig_tf.workflows import configure
    from magsig_tf.workflows.training import dataset_of
    from magsig_tf.workspace import Workspace

    settings = {"encoder": "small_cnn", "epochs": 2, "images_per_magnification": 4, "tensorboard": False}
    config = configure(method=["baseline"], holdout=["100X"], seed=[0], dataset="tiny", checkpoint_every=2, **settings)
    prepared = dataset_of(config, Workspace(workspace))
    one = config.for_run(dataset="tiny", method="baseline", holdout="100X", patient_fold=0, seed=0)
    with pytest.raises(KeyboardInterrupt):
        execute(Run.of(Workspace(workspace), one), prepared, Stopping())


def _interrupted_prediction(root: Path) -> None:
    from magsig_tf.serving.model_description import ModelDescription
    from magsig_tf.serving.predicting.predict import predict

    def stop(done: int, *_: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    answer = magsig("predict", "--model", root / "models" / "m", root / "files", "--out", root / "whole.csv")
    assert answer.code == 0, answer.errors
    with pytest.raises(KeyboardInterrupt):
        predict(ModelDescription.open(root / "models" / "m"), [root / "files"], root / "p.csv", batch=2, progress=stop)


UNFINISHED = ("train", "--method", "baseline", "--holdout", "100X", "--checkpoint-every", 2, *COMMON)
KINDS: dict[str, tuple[object, ...]] = {
    **{
        f"workspace/data/tiny/{name}": ("train", *STUDY)
        for name in ("images.npy", "manifest.parquet", "dataset.json", FILE)
    },
    **{
        f"workspace/runs/tiny/baseline/400X/*/{name}": ("evaluate",)
        for name in ("run.json", "predictions.parquet", FILE)
    },
    "workspace/runs/tiny/baseline/400X/*/config.yaml": ("report",),
    "workspace/runs/tiny/baseline/400X/*/log.jsonl": ("report",),
    "workspace/runs/tiny/baseline/400X/*/embeddings.npz": ("probe",),
    "workspace/runs/tiny/baseline/400X/*/model.keras": ("export", "--method", "baseline", "--holdout", "400X"),
    "workspace/runs/tiny/random-encoder/*.npz": ("probe",),
    "workspace/runs/tiny/baseline/100X/*/run.json": UNFINISHED,
    "workspace/runs/tiny/baseline/100X/*/log.jsonl": UNFINISHED,
    "workspace/runs/tiny/baseline/100X/*/checkpoint/last.npz": UNFINISHED,
    "workspace/results/tiny/signatures.parquet": ("claims",),
    "workspace/results/tiny/signature_pairs.parquet": ("claims",),
    "workspace/results/tiny/signature_predictions.parquet": ("claims",),
    **{
        f"workspace/gan/tiny/400X/*/{name}": ("gan", "--holdout", "400X", *GANS)
        for name in ("fold.json", "quality.parquet", FILE)
    },
    "workspace/gan/tiny/400X/*/real_and_synthetic.png": ("report",),
    **{
        f"models/m/1/{name}": ("predict",)
        for name in (
            "saved_model.pb",
            "variables/variables.index",
            "variables/variables.data*",
            "assets.extra/export.json",
        )
    },
    "p.csv.partial": ("predict", "--resume"),
    "p.csv.partial.json": ("predict", "--resume"),
}
"""A file of each kind below the root of the study, and the command that reads it."""


def asked(root: Path, words: tuple[object, ...]) -> Answer:
    command, *rest = words
    if command == "predict":
        return magsig("predict", "--model", root / "models" / "m", root / "files", "--out", root / "p.csv", *rest)
    few = ("--replicates", 100) if command in ("evaluate", "probe", "claims", "report") else ()
    return magsig(command, *rest, *few, "--workspace", root / "workspace")


def verdict(answer: Answer, path: Path) -> str:
    """Return "refused", "told", "silent" or "raw"."""
    said = answer.errors + answer.out
    if "Traceback" in said or "unexpected" in said or "Warning:" in answer.errors:
        return "raw"
    # the mark of an unfinished CSV is named by that file
    named = path.name.removesuffix(".json") in said or (path.name == FILE and str(path.parent) in said)
    lines = [line for line in answer.errors.splitlines() if "Error: " in line or "Failed: " in line]
    if answer.code:
        return "refused" if named and len(lines) == 1 else "raw"
    return "told" if named and "is gone" in said else "silent"


def cannot_matter(root: Path, place: Path, content: bytes | None) -> bool:
    """Say whether a change is of what the command throws away and makes again."""
    if place.name == "p.csv.partial":
        # begun again; file names hold the folder of each copy
        rows, wanted = (re.sub(r"[^,\n]*/files/", "", (root / name).read_text()) for name in ("p.csv", "whole.csv"))
        return content is None and rows == wanted
    if place.match("100X/*/log.jsonl") and content is not None:
        # what follows the checkpoint's step, of which a power cut may leave anything
        known = read_checkpoint(root / "kept.npz")[1]["log"]
        return hashlib.sha256(content[: known["bytes"]]).hexdigest() == known["sha256"]
    return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_calculates_with_a_file_that_changed(whole, tmp_path, kind):
    (original,) = whole.glob(kind)
    place, counts = original.relative_to(whole), Counter()
    for number in range(ROUNDS):
        for what, content in mutated(original.read_bytes(), generator_for("mutations", kind, number)):
            root = Path(shutil.copytree(whole, tmp_path / "copy"))
            (root / place).unlink()
            if content is not None:
                (root / place).write_bytes(content)
            answer = asked(root, KINDS[kind])
            found = verdict(answer, root / place)
            found = "same" if found == "silent" and cannot_matter(root, place, content) else found
            counts[found] += 1
            assert found in ("refused", "told", "same"), f"{what}: {answer.errors}"
            shutil.rmtree(root)
    print(f"{kind}, read by {KINDS[kind][0]}: {dict(counts)}")
