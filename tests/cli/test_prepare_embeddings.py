"""Embeddings of other models, from a file and a table to the report, in the commands that README shows."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

from magsig_tf.cli.main import main
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.testing.tiny_data import tiny_embeddings
from magsig_tf.workspace import Workspace
from tests.house.documentation import ROOT, blocks


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A table, an HDF5 file in another order, and the embeddings in the order of paths."""
    folder = tmp_path_factory.mktemp("given")
    made = tiny_embeddings(Workspace(folder / "made"), length=16)
    table = made.manifest[["path", "label", "magnification", "case"]]
    table.sample(frac=1, random_state=1).to_csv(folder / "tiles.csv", index=False)
    order = np.random.default_rng(0).permutation(len(table))
    with h5py.File(folder / "uni.h5", "w") as file:
        file["features"] = made.inputs[order]
        file["paths"] = table["path"].to_numpy(object)[order]
    return folder, made.inputs[np.arange(len(table))]


@pytest.fixture
def magsig(given, capsys):
    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([*words, "--workspace", str(given[0] / "workspace")])
        printed = capsys.readouterr()
        return SimpleNamespace(exit_code=left.value.code or 0, stdout=printed.out, output=printed.out + printed.err)

    return run


def prepared(magsig, folder, *words):
    source = ("--source", str(folder / "uni.h5"), "--manifest", str(folder / "tiles.csv"))
    return magsig("prepare", *source, "--name", "uni", *words)


def test_rows_find_their_embeddings_whatever_the_order(given, magsig):
    folder, values = given
    said = prepared(magsig, folder)
    assert said.exit_code == 0, said.output
    assert "embeddings of length 16, float32" in said.output
    dataset = EmbeddedDataset.open(folder / "workspace" / "data" / "uni")
    np.testing.assert_array_equal(dataset.inputs[np.arange(len(values))], values)
    assert dataset.manifest["slide"].tolist() == dataset.manifest["case"].tolist()
    assert "already prepared" in prepared(magsig, folder).output


def test_the_five_commands_of_the_readme_lead_from_a_file_to_the_report(given, magsig, monkeypatch):
    folder, _ = given
    monkeypatch.chdir(folder)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = [block for _, block in blocks(text) if block.startswith("magsig prepare --source uni.h5")]
    commands = [shlex.split(line)[1:] for line in shown.splitlines()]
    assert [words[0] for words in commands] == ["prepare", "train", "evaluate", "probe", "report"]
    for words in commands:
        quick = ["--replicates", "100"] if words[0] in ("evaluate", "probe", "report") else []
        said = magsig(*words, *quick, *(["--json"] if words[0] == "report" else []))
        assert said.exit_code == 0, (words, said.output)
    # what there was before a method changed it; no encoder was drawn at random that could stand there
    probed = pd.read_csv("workspace/results/uni/probes.csv")
    assert set(probed["subject"]) == {"linear", "erasure", "embeddings as given"}
    text = Path(json.loads(said.stdout)["report"]).read_text(encoding="utf-8")
    assert "embeddings as given" in text
    assert "erasure" in text
    assert "linear" in text


def test_json_says_what_was_prepared(given, magsig):
    folder, _ = given
    found = json.loads(prepared(magsig, folder, "--json").stdout)
    assert (found["data"], found["length"], found["views"], found["images"]) == ("embeddings", 16, 1, 160)


def test_other_files_under_the_same_name_are_refused(given, magsig):
    folder, values = given
    prepared(magsig, folder)
    with h5py.File(folder / "other.h5", "w") as file:
        file["features"], file["paths"] = values * 2, pd.read_csv(folder / "tiles.csv")["path"].sort_values().tolist()
    arguments = ("--manifest", str(folder / "tiles.csv"), "--name", "uni")
    said = magsig("prepare", "--source", str(folder / "other.h5"), *arguments)
    assert said.exit_code == 2
    assert "differs in files" in said.output
    assert magsig("prepare", "--source", str(folder / "other.h5"), *arguments, "--overwrite").exit_code == 0
    prepared(magsig, folder, "--overwrite")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[:-3], "3"),
        (lambda table: table.assign(case=table["case"].replace({"case-01": ""})), "case"),
        (lambda table: table.assign(path="x/" + table["path"].str.replace("/", "_")), "path"),
    ],
)
def test_a_table_that_does_not_belong_is_one_line(given, magsig, tmp_path, change, message):
    folder, _ = given
    change(pd.read_csv(folder / "tiles.csv")).to_csv(tmp_path / "tiles.csv", index=False)
    source = ("--source", str(folder / "uni.h5"), "--manifest", str(tmp_path / "tiles.csv"))
    said = magsig("prepare", *source, "--name", "wrong")
    assert said.exit_code != 0
    assert message in said.output
    assert "Traceback" not in said.output
    assert not (folder / "workspace" / "data" / "wrong").exists()


def test_torch_files_are_refused_with_what_converts_them(given, magsig, tmp_path):
    path = tmp_path / "uni.pt"
    path.write_bytes(b"PK\x03\x04")
    said = magsig("prepare", "--source", str(path), "--name", "torch")
    assert said.exit_code != 0
    assert "torch.load" in said.output


def test_a_size_makes_no_sense_for_embeddings(given, magsig):
    said = prepared(magsig, given[0], "--size", "64")
    assert said.exit_code == 2
    assert "embeddings have no pixels" in said.output


def test_a_data_set_that_a_kill_left_aside_is_put_back(given, magsig):
    folder, _ = given
    prepared(magsig, folder)
    data = folder / "workspace" / "data"
    aside = data / ".preparing" / "uni" / "replaced"
    aside.parent.mkdir(parents=True, exist_ok=True)
    (data / "uni").rename(aside)
    assert "already prepared" in prepared(magsig, folder).output
    assert (data / "uni" / "dataset.json").is_file()
