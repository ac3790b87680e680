"""`magsig signatures` on runs and on files of another model: tables, tidy files, JSON and refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from magsig_tf.cli.signatures import signatures
from magsig_tf.errors import DataError, RunError, UsageError
from tests.evaluation.fake_runs import FakeStudy
from tests.signatures.fake_embeddings import EmbeddingStudy, stand_in


@pytest.fixture
def study(tmp_path, monkeypatch):
    stand_in(monkeypatch)
    study = EmbeddingStudy(tmp_path, shuffled=["grl"])
    study.write(holdouts=["40X", "100X"], folds=[0])
    return study


def invoke(study, *arguments):
    return CliRunner().invoke(
        signatures, ["--workspace", str(study.workspace.root), "--replicates", "100", *map(str, arguments)]
    )


def table(study, name):
    folder = study.workspace.results() / study.dataset
    frame = pd.read_parquet(folder / f"{name}.parquet")
    assert len(pd.read_csv(folder / f"{name}.csv")) == len(frame)
    return frame


def test_one_row_a_run_on_screen_and_on_disk(study):
    result = invoke(study)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("6 of 24") == len(table(study, "signatures")) == 4
    assert "Holdouts compared" not in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100


def test_holdouts_compared_have_a_heat_table_chance_and_a_control(study):
    result = invoke(study, "--compare-folds")
    assert result.exit_code == 0, result.output
    for shown in ("J, baseline", "chance", "adjusted", "permuted", "Nogueira", "CKA"):
        assert shown in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    pairs = table(study, "signature_pairs").set_index("label")
    assert pairs.loc["baseline", "jaccard"] == 1
    assert pairs.loc["grl", "matched_jaccard"] == 1 > pairs.loc["grl", "jaccard"]
    assert list(table(study, "signature_methods")["control"]) == [False, True] * 2


def test_a_chosen_method_is_drawn_again_and_leaves_the_files_of_all_runs_alone(study):
    invoke(study)
    before = (study.workspace.results() / study.dataset / "signatures.csv").read_bytes()
    result = invoke(study, "--method", "grl", "--bootstraps", "20")
    assert result.exit_code == 0, result.output
    assert "Bootstraps over training cases" in result.stdout
    assert (study.workspace.results() / study.dataset / "signatures.csv").read_bytes() == before
    assert set(table(study, "signature_stability-grl")["label"]) == {"grl"}
    assert len(table(study, "selection_frequencies-grl")) == 2 * 24


def test_an_untrained_encoder_stands_beside_the_methods_unless_one_is_chosen(study):
    study.write_random_encoder()
    result = invoke(study, "--compare-folds")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    assert "an encoder that was never trained" in result.stdout
    assert list(table(study, "signature_methods")["label"]) == [
        label for label in ("baseline", "grl", "random small_cnn") for _ in range(2)
    ]
    for words, labels in (
        (["--method", "grl"], {"grl"}),
        (["--method", "grl", "--random-encoder"], {"grl", "random small_cnn"}),
        (["--no-random-encoder"], {"baseline", "grl"}),
    ):
        said = json.loads(invoke(study, "--json", *words).stdout)
        assert {row["label"] for row in said["signatures"]} == labels


def test_csv_takes_the_table_of_runs(study, tmp_path):
    said = json.loads(invoke(study, "--json", "--method", "grl", "--csv", str(tmp_path / "runs.csv")).stdout)
    table = pd.read_csv(tmp_path / "runs.csv")
    assert list(table["k"]) == [row["k"] for row in said["signatures"]]
    assert set(table["label"]) == {"grl"}


def test_json_is_one_document_without_silent_gaps(study):
    study.write(["baseline"], ["200X"], folds=[0], status="running")
    said = json.loads(invoke(study, "--compare-folds", "--json").stdout)
    assert {"signatures", "signature_pairs", "signature_methods", "missing"} == set(said)
    assert said["missing"] == [
        "1 run running: baseline 200X fold 0 seed 0.",
        "Control random small_cnn seed 0: not written yet; the next run trained with it writes it.",
    ]


def test_missing_runs_and_a_single_holdout_are_named(tmp_path, monkeypatch):
    stand_in(monkeypatch)
    study = EmbeddingStudy(tmp_path)
    study.write(["baseline"], ["40X", "100X"], folds=[0])
    study.write(["grl"], ["40X"], folds=[0])
    text = " ".join(invoke(study, "--compare-folds").stdout.split())
    assert "grl: 1 of 2 runs missing: all at 100X." in text
    assert "grl: not computable: fewer than two holdouts with a signature" in text


def test_files_of_another_model_take_the_place_of_runs(study, tmp_path):
    for holdout in ("40X", "100X"):
        arrays = study.embeddings("baseline", holdout, 0, 0)
        arrays["split"] = arrays.pop("part")
        np.savez(tmp_path / f"model{holdout}.npz", **arrays)
    files = [part for name in ("40X", "100X") for part in ("--embeddings", tmp_path / f"model{name}.npz")]
    result = invoke(study, *files, "--compare-folds")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(study.workspace.results() / "embeddings-model40X" / "signature_pairs.csv")
    assert list(frame[["first", "second"]].iloc[0]) == ["model40X", "model100X"]
    assert frame["jaccard"].iloc[0] == 1


def test_slips_are_refused_and_nothing_is_written(study, tmp_path):
    assert isinstance(invoke(study, "--method", "gro").exception, UsageError)
    assert isinstance(invoke(study, "--method", "grl", "--embeddings", "a.npz").exception, UsageError)
    assert isinstance(invoke(study, "--embeddings", tmp_path / "none.npz").exception, DataError)
    assert isinstance(invoke(FakeStudy(tmp_path / "empty")).exception, RunError)
    assert not study.workspace.results().exists()


def test_every_column_is_defined_in_the_documentation(study, root):
    invoke(study, "--compare-folds", "--bootstraps", "5")
    text = (root / "docs" / "signatures.md").read_text(encoding="utf-8")
    names = ("signatures", "signature_pairs", "signature_methods", "signature_stability", "signature_tests")
    for name in (*names, "selection_frequencies"):
        assert f"`{name}.csv`" in text or name == "signatures"
        for column in table(study, name).columns:
            assert f"`{column}`" in text, (name, column)
