"""`magsig probe` on runs and on files of other models."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.cli.command_line import files, magsig, refused
from tests.evaluation.probes.fake_embeddings import FakeEmbeddings
from tests.evaluation.probes.planted import planted


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeEmbeddings(tmp_path_factory.mktemp("study"), cases=(10, 10), images=2)
    study.write(holdouts=["40X"], folds=[0])
    study.write(methods=["baseline"], holdouts=["100X"], folds=[0])
    study.prepare()
    return study


def probe(study, *words):
    return magsig("probe", "--workspace", study.workspace.root, "--replicates", 100, "--workers", 1, *words)


def test_prints_methods_and_controls_beside_chance_and_writes_every_number(study):
    answer = probe(study)
    assert answer.code == 0, answer.errors
    lines = answer.out.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    for word in ("baseline", "grl", "colour mean", "chance", "shuffled", "same case", "random small_cnn seed 0"):
        assert word in answer.out
    assert "grl: 1 of 2 runs missing: all at 100X." in answer.out
    frame = pd.read_parquet(study.workspace.results() / "fake" / "probes.parquet")
    assert len(pd.read_csv(study.workspace.results() / "fake" / "probes.csv")) == len(frame)


def test_a_choice_of_runs_leaves_the_files_alone_and_prints_json(study, tmp_path):
    before = files(study.workspace.results())
    answer = probe(study, "--method", "grl", "--json", "--csv", tmp_path / "grl.csv")
    records = json.loads(answer.out)
    assert {record["subject"] for record in records} == {"grl", "colour mean and SD"}
    assert files(study.workspace.results()) == before
    assert len(pd.read_csv(tmp_path / "grl.csv")) == len(records)


def stranger(path, **changes):
    rows = planted(cases=12, images=2)
    split = np.where(rows.magnification == "400X", "test", "in_domain_test")
    arrays = {
        "embedding": rows.shifted(5.0).astype(np.float32),
        "label": rows.label,
        "case": rows.case,
        "magnification": rows.magnification,
        "split": split,
    }
    np.savez(path, **arrays | changes)
    return path


def test_a_file_of_another_model_is_probed(study, tmp_path):
    answer = probe(study, "--embeddings", stranger(tmp_path / "other.npz"), "--json")
    found = pd.DataFrame(json.loads(answer.out))
    linear = found[(found["probe"] == "linear") & (found["control"] == "none") & (found["rows"] == "source")]
    assert linear.set_index("metric").loc["balanced_accuracy", "value"] > 0.9
    assert linear.set_index("metric").loc["balanced_accuracy", "chance"] == 0.5
    assert files(tmp_path) == ["other.npz"]


def test_a_file_without_sources_says_so_in_words(study, tmp_path):
    path = stranger(tmp_path / "other.npz", split=np.full(72, "test"))
    answer = probe(study, "--embeddings", path)
    assert answer.code == 0, answer.errors
    assert "no source magnification is known" in answer.out
    assert "nan" not in answer.out.lower()


def test_slips_and_damaged_files_are_refused_in_one_line(study, tmp_path):
    refused(probe(study, "--embeddings", tmp_path / "none.npz"), 1, "none.npz")
    broken = np.ones((72, 3))
    broken[5, 1] = np.nan
    refused(probe(study, "--embeddings", stranger(tmp_path / "nan.npz", embedding=broken)), 1, "NaN", "row 5")
    refused(probe(study, "--embeddings", stranger(tmp_path / "none.npz", split=np.full(72, "train"))), 1, "test")
    refused(probe(study, "--embeddings", tmp_path / "nan.npz", "--method", "grl"), 2, "--embeddings")
    refused(probe(study, "--method", "gral"), 2, "grl")
