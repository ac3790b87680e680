"""Bad embeddings for `magsig signatures` and `magsig probe`: one line and nothing written, or a stated exclusion.

Covered elsewhere, and not repeated here:
- files that are no NPZ, lack an array, or hold objects: tests/data/test_embeddings_file.py
- unknown methods, and --embeddings beside a choice of runs: test_signatures.py, test_probe.py
- damaged random encoders and runs of other data: tests/signatures/test_random_encoder.py, tests/evaluation/probes
- every cell that holds a reason: tests/report/terminal/test_probes.py, tests/report/terminal/test_signatures.py
"""

import json

import numpy as np
import pytest

from tests.cli.command_line import files, magsig, refused
from tests.signatures.fake_embeddings import EmbeddingStudy, stand_in
from tests.signatures.made_up_embeddings import made_up_embedding

COMMANDS = {"signatures": ["--compare-folds"], "probe": ["--workers", "1"]}


def write(path, change=lambda arrays: None, cases=20):
    """Write a file of a made-up model: the last six cases are tested."""
    embedding, label, case = made_up_embedding(cases=cases, images=4, dimensions=6, informative=2, strength=2.0)
    number = np.char.replace(case, "case-", "").astype(int)
    magnification = np.tile(["40X", "40X", "100X", "400X"], cases)
    tested = np.where(magnification == "400X", "test", "in_domain_test")
    split = np.where(number < cases - 6, "train", tested)
    arrays = {"embedding": embedding, "label": label, "case": case, "magnification": magnification, "split": split}
    change(arrays)
    np.savez(path, **arrays)
    return path


def ask(command, folder, *paths):
    words = [word for path in paths for word in ("--embeddings", path)]
    return magsig(command, *words, "--workspace", folder / "workspace", "--replicates", "100", *COMMANDS[command])


def exclude(which):
    def change(arrays):
        kept = which(arrays)
        for name in list(arrays):
            arrays[name] = arrays[name][kept]

    return change


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite(tmp_path, command, value):
    def spoil(arrays):
        arrays["embedding"][7, 2] = value

    good, bad = write(tmp_path / "good.npz"), write(tmp_path / "bad.npz", spoil)
    answer = ask(command, tmp_path, good, bad)
    refused(answer, 1, "bad.npz", "NaN or infinity in 1 of 80 rows, first row 7", "Mend or leave out these rows")
    assert files(tmp_path) == ["bad.npz", "good.npz"]


TRAINING = {
    "one class": (
        lambda a: (a["split"] != "train") | (a["label"] == 0),
        "no signature: expected rows of both classes, found no malignant (1) among 28",
    ),
    "one case of a class": (
        lambda a: (a["split"] != "train") | (a["label"] == 0) | (a["case"] == "case-001"),
        "no signature: expected both classes in every training fold, found only one malignant case (case-001)",
    ),
    "fewer cases than folds": (
        lambda a: (a["split"] != "train") | (a["case"] < "case-004"),
        "no signature: expected at least as many cases as folds (5), found 4",
    ),
}


@pytest.mark.parametrize("training", TRAINING)
def test_training_rows_that_allow_no_signature_keep_their_row_with_the_reason(tmp_path, training):
    which, reason = TRAINING[training]
    answer = ask("signatures", tmp_path, write(tmp_path / "few.npz", exclude(which)))
    assert answer.code == 0, answer.errors
    assert f"embeddings few: {reason}" in " ".join(answer.out.split())


def test_fewer_test_cases_than_folds_leave_the_probes_without_numbers(tmp_path):
    few = exclude(lambda a: (a["split"] == "train") | (a["case"] >= "case-016"))
    answer = ask("probe", tmp_path, write(tmp_path / "few.npz", few))
    assert answer.code == 0, answer.errors
    assert "too few" in answer.out
    assert "fewer cases than folds (4 of 5)" in answer.out


def test_a_constant_dimension_is_left_out_and_counted(tmp_path):
    def constant(arrays):
        arrays["embedding"][:, 5] = 1 / 3

    path = write(tmp_path / "constant.npz", constant)
    answer = ask("signatures", tmp_path, path)
    assert answer.code == 0, answer.errors
    assert "constant: 1 constant dimension left out" in " ".join(answer.out.split())
    answer = ask("probe", tmp_path, path)
    assert answer.code == 0, answer.errors
    assert "nan" not in answer.out.lower()


def test_embeddings_of_different_length_are_not_compared_and_named(tmp_path, monkeypatch):
    stand_in(monkeypatch)

    def shorter(arrays):
        arrays["embedding"] = arrays["embedding"][:, :4]

    answer = ask("signatures", tmp_path, write(tmp_path / "a.npz"), write(tmp_path / "b.npz", shorter))
    assert answer.code == 0, answer.errors
    text = " ".join(answer.out.split())
    assert "embeddings a b: no overlap: embeddings of different length, 6 and 4" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_runs_that_are_still_training(tmp_path, monkeypatch, command):
    stand_in(monkeypatch)
    study = EmbeddingStudy(tmp_path)
    study.write(["baseline"], ["40X"], folds=[0], status="running")
    before = files(tmp_path)
    words = [command, "--workspace", tmp_path, "--replicates", "100", *COMMANDS[command]]
    refused(magsig(*words), 1, "Expected finished runs", "found none: 1 running or failed")
    assert files(tmp_path) == before
    study.write(["baseline"], ["100X"], folds=[0])
    answer = magsig(*words)
    assert answer.code == 0, answer.errors
    assert "1 run running: baseline 40X fold 0 seed 0." in " ".join(answer.out.split())


def test_a_run_with_a_value_that_is_not_finite_stops_both_commands_before_anything_is_written(tmp_path):
    study = EmbeddingStudy(tmp_path)
    (folder,) = study.write(["baseline"], ["40X"], folds=[0])
    arrays = dict(np.load(folder / "embeddings.npz"))
    arrays["embedding"][3, 0] = np.inf
    np.savez(folder / "embeddings.npz", **arrays)
    before = files(tmp_path)
    for command in COMMANDS:
        refused(magsig(command, "--workspace", tmp_path, *COMMANDS[command]), 1, str(folder), "first row 3")
    assert files(tmp_path) == before


def test_reasons_are_in_the_json_too(tmp_path):
    which, reason = TRAINING["one class"]
    path = write(tmp_path / "few.npz", exclude(which))
    answer = magsig("signatures", "--embeddings", path, "--workspace", tmp_path, "--json")
    (row,) = json.loads(answer.out)["signatures"]
    assert row["k"] is None
    assert row["reason"].startswith(reason)
    only_test = exclude(lambda a: a["split"] == "test")
    answer = magsig("probe", "--embeddings", write(tmp_path / "one.npz", only_test), "--json", "--workers", "1")
    records = json.loads(answer.out)
    assert any(record["value"] is None for record in records)
    assert all(record["reason"] for record in records if record["value"] is None)
