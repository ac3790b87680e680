"""Axes of a study are checked against the data before anything is listed or trained, in any spelling of a name."""

import json

import pytest

from magsig_tf.workspace import Workspace
from tests.cli.command_line import magsig, refused
from tests.tiny import tiny_dataset

QUICK = ("--encoder", "small_cnn", "--weights", "none")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder whose workspace holds the tiny data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    tiny_dataset(Workspace(tmp_path / "workspace"))
    return tmp_path


def planned(here, config: str, *words: str):
    (here / "own.yaml").write_text(f"dataset: tiny\n{config}")
    return magsig("reproduce", "--config", "own.yaml", "--dry-run", *QUICK, *words)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("holdout: 200\nmagnifications: [200, 400.0]\n", ()),
        ("holdout: 200x\n", ("--magnifications", "x400,200 X")),
        ("", ("--set", "magnifications=200,400", "--set", "holdout=200")),
        ("", ("--set", "magnifications=[200, 400X]", "--holdout", "2e2")),
    ],
)
def test_any_spelling_of_a_study_is_the_same_study(here, config, words):
    usual = json.loads(planned(here, "holdout: [200X]\nmagnifications: [200X, 400X]\n", "--json").out)
    answer = planned(here, config, *words, "--json")
    assert answer.code == 0, answer.errors
    # the folder holds the config's hash
    assert [row["folder"] for row in json.loads(answer.out)] == [row["folder"] for row in usual]


@pytest.mark.parametrize(
    ("config", "words", "said"),
    [
        ("holdout: 1e2\n", (), "found 1e2, which YAML reads as 100.0. Quote it: holdout: '1e2'"),
        ("magnifications: [0100, 200]\n", (), "found 0100, which YAML reads as 64. Quote it"),
        ("holdout: no\n", (), "found no, which YAML reads as False. Quote it"),
        ("holdout: 25\n", (), "Expected a holdout among the magnifications, found '25'"),
        ("magnifications: [100, 25]\n", (), "Expected a magnification of the data set, found '25'"),
        ("", ("--magnifications", "100,25"), "Expected a magnification of the data set, found '25'"),
        ("", ("--magnifications", "100"), "Expected at least two magnifications, found only '100X'"),
        ("", ("--method", "grl", "--magnifications", "40,100"), "Expected at least 2 source magnifications"),
        ("seed: 010\n", (), "found 010, which YAML reads as 8"),
    ],
)
def test_an_axis_that_the_data_lack_is_refused_before_anything_is_listed(here, config, words, said):
    refused(planned(here, config, *words), 2, said)


@pytest.mark.parametrize("command", ["train", "gan"])
def test_commands_that_train_check_the_same(here, command):
    own = {"train": QUICK, "gan": ()}[command]
    refused(magsig(command, *own, "--magnifications", "100X", "33x"), 2, "data set, found '33x'")
    refused(magsig(command, *own, "--holdout", "33x"), 2, "found '33x'")
    assert not (here / "workspace" / "runs").exists()


def test_grl_beside_a_baseline_says_that_it_needs_two_domains(here):
    answer = magsig("train", *QUICK, "--method", "baseline", "grl", "--magnifications", "40X", "400X")
    refused(answer, 2, "found 1 beside each holdout among 40X, 400X", "Leave out grl, or add magnifications")


def test_a_data_set_of_an_earlier_version_with_two_spellings_is_not_trained_on(here):
    folder = here / "workspace" / "data" / "tiny"
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | {"magnifications": ["40X", "40x", "100X"]}))
    answer = magsig("train", *QUICK, "--holdout", "400X")
    refused(answer, 1, "Expected each magnification under one name, found", "Prepare the data set again")
