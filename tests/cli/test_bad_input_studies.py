"""Bad requests and bad data for `magsig train`, `reproduce` and `evaluate`: one line, and no run half-begun.

Covered elsewhere, and not repeated here:
- unknown method, encoder, holdout, config, key, data set and patient fold, with the nearest name: test_train.py
- values out of range in configs and options: tests/test_config.py, tests/test_flat_yaml.py
- metrics, thresholds and methods without runs in evaluate: test_evaluate.py, tests/runs/test_finished.py
- damaged run files: tests/runs/test_finished.py, tests/runs/test_fuzz_runs.py
- hostile or foreign weight and model files: tests/models/test_saved_model.py, tests/models/encoders/
- a run that another process holds, or that diverges: tests/training/test_run.py
"""

import json
import shutil

import pytest

from magsig_tf.checksums import write_signed_json
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.execution.observer import Observer
from magsig_tf.runs.run import Run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.cli.command_line import files, magsig, refused
from tests.tiny import tiny_config, tiny_dataset, tiny_manifest

QUICK = [
    *("--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "8", "--inference-batch", "16"),
    *("--set", "augment=[]"),
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    return tmp_path


@pytest.fixture
def prepared(here):
    """A data set in ./workspace."""
    return tiny_dataset(Workspace(here / "workspace"))


def train(*words: str):
    return magsig("train", "--holdout", "400X", *QUICK, *words)


@pytest.mark.parametrize("command", [["train"], ["evaluate"], ["reproduce", "--config", "paper"]])
def test_no_prepared_data(here, command):
    refused(
        magsig(*command), 2, "Expected a prepared data set in workspace, found none", "Run `magsig prepare --source"
    )
    assert files(here) == []


def test_a_matrix_with_a_holdout_that_the_data_lack_is_refused_whole(here, prepared):
    before = files(here)
    (here / "own.yaml").write_text("method: [baseline, grl]\nholdout: [400X, 20X]\n")
    answer = magsig("reproduce", "--config", "own.yaml", "--dataset", "tiny", *QUICK)
    refused(answer, 2, "found '20X'", "Did you mean '200X'")
    assert files(here) == sorted([*before, "own.yaml"])


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"label": "benign"}, 1, "benign and malignant cases in the train part at holdout 400X, found only benign"),
        ({"magnification": "400X"}, 2, "Expected at least two magnifications, found only '400X'"),
        ({"case": "case-00", "label": "benign"}, 1, "in the train part at holdout 400X, found none"),
    ],
)
def test_data_on_which_the_protocol_cannot_stand(here, prepared, change, code, said):
    tiny_manifest().assign(**change).to_parquet(prepared.folder / "manifest.parquet")
    before = files(here)
    refused(train(), code, said)
    assert files(here) == before


def test_a_validation_part_of_one_class(here, prepared):
    manifest = tiny_manifest()
    # two malignant cases for five folds: some fold has none
    few = manifest["case"].isin(["case-01", "case-03"])
    manifest.assign(label=few.map({True: "malignant", False: "benign"})).to_parquet(
        prepared.folder / "manifest.parquet"
    )
    before = files(here)
    answer = train("--patient-fold", "all", "--no-tensorboard")
    assert answer.code == 1
    lines = [line for line in answer.errors.splitlines() if "Failed: " in line]
    assert any("Expected benign and malignant cases in the validation part" in line for line in lines)
    assert all("Use fewer folds" in line for line in lines)
    # seven files a run, and once the control of an encoder with random weights with its checksum
    assert len(files(here)) == len(before) + 2 + 7 * (5 - len(lines))


DAMAGES = {
    "manifest cut off": ("manifest.parquet", lambda content: content[:300]),
    "manifest of nothing": ("manifest.parquet", lambda content: b""),
    "pixels cut off": ("images.npy", lambda content: content[:-5000]),
    "pixels with objects": ("images.npy", lambda content: content.replace(b"|u1", b"|O ")),
    "record that is no object": ("dataset.json", lambda content: b"[1]"),
    "record without a hash": ("dataset.json", lambda content: content.replace(b"content_hash", b"content")),
    "record with other kinds": ("dataset.json", lambda content: content.replace(b'"400X"', b"400")),
    "record with another size": ("dataset.json", lambda content: content.replace(b'"size": 32', b'"size": "32"')),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_data_set(here, prepared, damage):
    name, spoil = DAMAGES[damage]
    path = prepared.folder / name
    path.write_bytes(spoil(path.read_bytes()))
    before = files(here)
    refused(train(), 1, "workspace/data/tiny", "epeat")
    assert files(here) == before


@pytest.mark.parametrize("column", ["label", "case", "slide", "magnification", "pixel_sha256", "perceptual_hash"])
def test_a_manifest_without_a_column(here, prepared, column):
    tiny_manifest().drop(columns=column).to_parquet(prepared.folder / "manifest.parquet")
    refused(train(), 1, f"{column!r}", "Repeat `magsig prepare` with --overwrite")


class StopAt(Observer):
    """Interrupts a run after some steps."""

    def step_done(self, step):
        if step == 4:
            raise KeyboardInterrupt


def unfinished_run(workspace: Workspace, prepared: PreparedDataset, dropout: float) -> Run:
    config = tiny_config(epochs=2, checkpoint_every=2, dropout=dropout)
    run = Run.of(workspace, config.for_run(dataset="tiny", method="baseline", holdout="400X", patient_fold=0, seed=0))
    with pytest.raises(KeyboardInterrupt):
        execute(run, prepared, StopAt())
    return run


def continued(run: Run):
    settings = [f"{key}={json.dumps(value)}" for key, value in run.config.flat().items() if value is not None]
    return magsig("train", *(word for setting in settings for word in ("--set", setting)))


def test_a_checkpoint_of_another_config_and_a_run_of_another_split(here, prepared):
    workspace = Workspace(here / "workspace")
    run = unfinished_run(workspace, prepared, 0.1)
    other = unfinished_run(workspace, prepared, 0.2)
    shutil.rmtree(other.folder / "checkpoint")
    shutil.copytree(run.folder / "checkpoint", other.folder / "checkpoint")
    wanted, found = other.config.identity_hash(), run.config.identity_hash()
    refused(
        continued(other),
        1,
        f"a checkpoint with config_hash {wanted}, found {found}",
        f"{other.folder.name}/checkpoint.",
        "move that folder aside",
    )
    assert files(other.folder / "checkpoint") == files(run.folder / "checkpoint")

    record = json.loads((run.folder / "run.json").read_text())
    write_signed_json(run.folder / "run.json", record | {"split_hash": "0" * 16})
    before = files(run.folder)
    refused(continued(run), 1, f"split_hash {record['split_hash']}, found {'0' * 16}", "move that folder aside")
    assert files(run.folder) == before


def test_a_finished_run_of_data_that_changed_since(here, prepared):
    assert train().code == 0
    record = json.loads((prepared.folder / "dataset.json").read_text())
    (prepared.folder / "dataset.json").write_text(json.dumps(record | {"content_hash": "f" * 64}))
    before = files(here)
    refused(train(), 1, "dataset_hash " + "f" * 64, "move that folder aside")
    refused(magsig("evaluate"), 1, "f" * 64, "prepare the other data under its own name")
    assert files(here) == before


@pytest.mark.parametrize("weights", ["gone.h5", "."])
def test_weights_that_are_no_file_leave_no_run(here, prepared, weights):
    before = sorted(here.rglob("*"))
    refused(train("--weights", weights), 2, weights)
    assert sorted(here.rglob("*")) == before


@pytest.mark.slow
def test_replicas_on_a_machine_without_a_gpu_are_refused_and_virtual_ones_offered(here, prepared, magsig):
    # in a process of its own: this one has its CPU split into replicas
    before = sorted(here.rglob("*"))
    answer = magsig("train", "--holdout", "400X", *QUICK, "--strategy", "mirrored")
    assert answer.returncode == 2
    (line,) = [line for line in answer.stderr.splitlines() if "Error" in line]
    assert line == (
        "Error: Expected a GPU for the strategy mirrored, found none that TensorFlow can use. Leave out --strategy to "
        "train on the CPU, or pass --virtual-replicas 2 to try replicas there."
    )
    assert sorted(here.rglob("*")) == before
