"""`magsig embed`: images to a data set of embeddings, whole or resumed to the same bytes, and trained on."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from magsig_tf.cli.main import main
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.models.encoders import build_encoder
from magsig_tf.testing.tiny_data import tiny_dataset
from magsig_tf.workspace import Workspace

ENCODER = ["--encoder", "small_cnn"]
TINY = ("--epochs", "1", "--images-per-magnification", "4")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("embed"))
    tiny_dataset(workspace, cases=15, images=1)
    return workspace


@pytest.fixture
def magsig(workspace, capsys):
    """Run `magsig` in this process; return its exit code and what it printed."""

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([*words, "--workspace", str(workspace.root)])
        printed = capsys.readouterr()
        return SimpleNamespace(exit_code=left.value.code or 0, stdout=printed.out, output=printed.out + printed.err)

    return run


@pytest.fixture
def embed(magsig):
    return lambda *words: magsig("embed", "--dataset", "tiny", *ENCODER, *words)


def test_every_image_goes_through_the_encoder(workspace, embed):
    said = embed("--overwrite")
    assert said.exit_code == 0, said.output
    assert "tiny-small_cnn: 60 images, embeddings of length 128, float32" in said.output
    assert "small_cnn has random weights" in said.output
    images = np.load(workspace.data("tiny") / "images.npy")
    dataset = EmbeddedDataset.open(workspace.data("tiny-small_cnn"))
    wanted = build_encoder("small_cnn", images.shape[1:], "none", 0)(images.astype(np.float32), training=False)
    np.testing.assert_allclose(dataset.inputs[np.arange(60)], wanted, rtol=1e-4, atol=1e-5)
    assert dataset.info["provenance"]["source"]["dataset"] == "tiny"
    again = embed()
    assert "already embedded, nothing to do" in again.output


def test_views_are_augmented_and_the_first_is_plain(workspace, embed):
    embed()
    embed("--views", "3", "--name", "views")
    plain = EmbeddedDataset.open(workspace.data("tiny-small_cnn"))
    views = EmbeddedDataset.open(workspace.data("views"))
    assert views.embeddings.shape == (60, 3, 128)
    np.testing.assert_allclose(views.embeddings[:, 0], plain.embeddings[:, 0], rtol=1e-4, atol=1e-5)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = np.abs(views.embeddings[:, one] - views.embeddings[:, other]).max(1)
        assert (apart > 1e-4).mean() > 0.9


@pytest.mark.parametrize("changed", [False, True])
def test_an_interrupted_call_goes_on_to_the_same_bytes(workspace, embed, monkeypatch, changed):
    embed("--views", "2", "--name", "whole")
    from magsig_tf.training import embedding

    monkeypatch.setattr(embedding, "BATCH", 8)
    stopped = {"after": 20}
    first = embedding.write_json

    def stop(path, value):
        first(path, value)
        if path.name == "embedding.json" and value["done"] >= stopped["after"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(embedding, "write_json", stop)
    name = f"resumed-{changed}"
    embed("--views", "2", "--name", name)
    assert not workspace.data(name).exists()
    if changed:
        array = np.load(workspace.data(".preparing") / name / "output/embeddings.npy", mmap_mode="r+")
        array[3, 1, 5] += 1e-6
        array.flush()
    stopped["after"] = 10**9
    said = embed("--views", "2", "--name", name)
    assert ("have changed on disk" if changed else "images were embedded before") in said.output, said.output
    one, other = (EmbeddedDataset.open(workspace.data(each)).embeddings for each in ("whole", name))
    # another size of batches gives another order of sums in the encoder, and the same augmentation
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    assert not workspace.data(".preparing").joinpath(name).exists()


def test_another_way_under_the_same_name_is_refused(embed):
    embed()
    said = embed("--views", "2", "--name", "tiny-small_cnn")
    assert said.exit_code == 2
    assert "found one that differs in augment, views" in said.output


def test_runs_are_fitted_to_the_result_and_evaluated(magsig, embed):
    embed()
    said = magsig(
        *("train", "--dataset", "tiny-small_cnn", "--method", "linear", "erasure", "--holdout", "400X"),
        *("--patient-fold", "0"),
    )
    assert said.exit_code == 0, said.output
    assert "directions erased" in said.output
    found = magsig("evaluate", "--dataset", "tiny-small_cnn", "--json")
    rows = json.loads(found.stdout)
    assert {row["method"] for row in rows} == {"linear", "erasure"}


def test_the_trained_encoder_of_a_run_embeds(workspace, magsig):
    magsig(
        "train", "--dataset", "tiny", "--holdout", "400X", *ENCODER, "--epochs", "1", "--images-per-magnification", "4"
    )
    (folder,) = workspace.runs("tiny").glob("baseline/400X/*")
    said = magsig("embed", "--dataset", "tiny", "--run", str(folder), "--name", "trunk")
    assert said.exit_code == 0, said.output
    stored = np.load(folder / "embeddings.npz")
    dataset = EmbeddedDataset.open(workspace.data("trunk"))
    np.testing.assert_allclose(dataset.inputs[stored["row"]], stored["embedding"], rtol=1e-3, atol=1e-4)
    assert dataset.info["provenance"]["run"].startswith("tiny/baseline/400X/")


@pytest.fixture
def trunk(workspace, magsig):
    """Embeddings of the encoder of a run with holdout 400X and patient fold 0."""
    magsig(*("train", "--dataset", "tiny", "--holdout", "400X", *ENCODER), *TINY)
    (folder,) = workspace.runs("tiny").glob("baseline/400X/*")
    magsig("embed", "--dataset", "tiny", "--run", str(folder), "--name", "trunk")
    return folder


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("400X", "--patient-fold", "0", "2"), "patient fold 2, 12 of 12 test images from cases that trained it"),
        (("100X",), "holdout 100X and patient fold 0, 100X among the magnifications that trained it"),
    ],
)
def test_no_head_is_tested_where_the_encoder_was_trained(trunk, magsig, asked, message):
    said = magsig("train", "--dataset", "trunk", "--method", "linear", "--holdout", *asked)
    assert said.exit_code == 2
    assert message in said.output


def test_a_head_is_tested_where_the_encoder_was_tested(trunk, magsig):
    said = magsig("train", "--dataset", "trunk", "--method", "linear", "--holdout", "400X", "--patient-fold", "0")
    assert said.exit_code == 0, said.output


def test_images_that_trained_an_encoder_are_known_in_another_data_set(workspace, trunk, magsig):
    if not workspace.data("others").exists():
        tiny_dataset(workspace, name="others", cases=18, images=1)
    said = magsig("embed", "--dataset", "others", "--run", str(trunk), "--name", "others-trunk", "--overwrite")
    assert said.exit_code == 0, said.output
    own, others = (EmbeddedDataset.open(workspace.data(name)).manifest for name in ("trunk", "others-trunk"))
    assert dict(own.groupby("encoder_part").size()) == {"": 24, "train": 27, "validation": 9}
    joined = others.merge(own, on="path", suffixes=("", "_own"), how="left")
    assert (joined["encoder_part"] == joined["encoder_part_own"].fillna("")).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "mlp_adapter"], "which takes embeddings"),
        (["--encoder", "resnet51"], "resnet50"),
        (["--dataset", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_embedded_is_one_line(magsig, arguments, message):
    said = magsig("embed", "--dataset", "tiny", *arguments)
    assert said.exit_code == 2
    assert message in said.output
    assert "Traceback" not in said.output


def teardown_module():
    keras.config.set_dtype_policy("float32")
