"""What docs/serving.md shows is what works: its clients are run as they are printed there."""

from __future__ import annotations

import json
import re
import runpy
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from google.protobuf import text_format

from tests.house.documentation import ROOT, blocks, shown_files

PAGE = ROOT / "docs" / "serving.md"
LONGEST_CLIENT = 15


@pytest.fixture(scope="module")
def shown():
    return shown_files(PAGE)


@pytest.fixture(scope="module")
def files(study):
    """Two original images, as a client has them."""
    folder = study.workspace.root.parent / "files" / "case-01" / "400X"
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def expected(loaded, files):
    """What the clients must print."""
    answer = loaded.ask("serving_bytes", image_bytes=np.array([file.read_bytes() for file in files], object))
    rows = zip(files, answer["label"], answer["probability"][:, 0], strict=True)
    return [f"{file} {label.decode()} {round(float(probability), 4)}" for file, label, probability in rows]


def run(shown, name, folder, monkeypatch, *words):
    """Run a client in this process, from a file of its own."""
    script = folder / name
    script.write_text(shown[name], encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(script), run_name="__main__")


def test_the_clients_are_short(shown):
    assert set(shown) == {"models.config", "rest_client.py", "grpc_client.py"}
    for name in ("rest_client.py", "grpc_client.py"):
        assert len([line for line in shown[name].splitlines() if line.strip()]) <= LONGEST_CLIENT


@pytest.mark.parametrize("version", ["", "/versions/1", "/labels/stable"])
def test_the_rest_client_works(shown, loaded, files, expected, tmp_path, monkeypatch, capsys, version):
    from tests.serving.stand_in_servers import NAME, rest_server

    with rest_server(loaded) as models:
        run(shown, "rest_client.py", tmp_path, monkeypatch, f"{models}/{NAME}{version}:predict", *files)
    assert capsys.readouterr().out.splitlines() == expected


def test_the_grpc_client_works(shown, loaded, files, expected, tmp_path, monkeypatch, capsys):
    from tests.serving.stand_in_servers import NAME, grpc_server

    with grpc_server(loaded) as server:
        run(shown, "grpc_client.py", tmp_path, monkeypatch, server, NAME, *files)
    assert capsys.readouterr().out.splitlines() == expected


def test_an_undecodable_file_is_refused_with_its_row(shown, loaded, files, tmp_path, monkeypatch):
    import grpc

    from tests.serving.stand_in_servers import NAME, grpc_server, rest_server

    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with grpc_server(loaded) as server, pytest.raises(grpc.RpcError) as refused:
        run(shown, "grpc_client.py", tmp_path, monkeypatch, server, NAME, files[0], bad)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "in the rows] [1]" in refused.value.details()
    with rest_server(loaded) as models, pytest.raises(urllib.error.HTTPError) as refused:
        run(shown, "rest_client.py", tmp_path, monkeypatch, f"{models}/{NAME}:predict", bad, files[0])
    assert refused.value.code == 400
    assert "in the rows] [0]" in json.load(refused.value)["error"]


def test_pixels_go_as_nested_lists(loaded, study):
    from tests.serving.stand_in_servers import answer_rows

    images = study.prepared.images[:2]
    wanted = loaded.ask("serving_default", images=images)["probability"]
    for rows in ([{"images": image.tolist()} for image in images], [image.tolist() for image in images]):
        answer = answer_rows(loaded, json.loads(json.dumps({"instances": rows})))["predictions"]
        np.testing.assert_allclose([row["probability"] for row in answer], wanted, atol=1e-6)
        assert {row["label"] for row in answer} <= {"benign", "malignant"}


@pytest.mark.parametrize("name", ["serving_default", "embed", "gradcam"])
def test_every_signature_answers_the_messages_of_grpc(loaded, study, name, tensorflow):
    from tensorflow_serving.apis import predict_pb2

    from tests.serving.stand_in_servers import NAME, PredictionService

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = NAME, name
    request.inputs["images"].CopyFrom(tensorflow.make_tensor_proto(study.prepared.images[:3]))
    received = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    response = PredictionService(loaded).Predict(received, None)
    sent = predict_pb2.PredictResponse.FromString(response.SerializeToString())
    wanted = loaded.ask(name, images=study.prepared.images[:3])
    assert set(sent.outputs) == set(wanted)
    for output, values in wanted.items():
        np.testing.assert_array_equal(tensorflow.make_ndarray(sent.outputs[output]), values)


def test_the_config_of_two_versions_is_read_by_the_servers_own_messages(shown):
    from tensorflow_serving.config import model_server_config_pb2

    read = text_format.Parse(shown["models.config"], model_server_config_pb2.ModelServerConfig())
    (config,) = read.model_config_list.config
    assert list(config.model_version_policy.specific.versions) == [1, 2]
    assert dict(config.version_labels) == {"stable": 1, "canary": 2}
    assert config.base_path == f"/models/{config.name}"


OF_EMBEDDINGS = "### Runs on embeddings"


def test_the_table_of_signatures_is_that_of_the_export(loaded):
    text, found, _ = PAGE.read_text(encoding="utf-8").partition(OF_EMBEDDINGS)
    assert found
    assert_shown(text, loaded.loaded.signatures)


def test_the_table_of_a_head_is_that_of_its_export(tensorflow, signature, tmp_path):
    from magsig_tf.models.classifier import build_classifier
    from magsig_tf.models.encoders.build_encoder import build_encoder
    from magsig_tf.serving.exporting.served_model import ServedHead

    classifier = build_classifier(build_encoder("linear_adapter", (128,), "none", 0), 0.0, seed=0)
    ServedHead(classifier, signature=signature).save(tmp_path / "1")
    _, _, text = PAGE.read_text(encoding="utf-8").partition(OF_EMBEDDINGS)
    assert_shown(text, tensorflow.saved_model.load(str(tmp_path / "1")).signatures)


def assert_shown(text, signatures):
    """Hold the table of a page against the signatures of a model."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    found = {
        name: (set(re.findall(r"`(\w+)`", takes)), set(re.findall(r"`(\w+)`", gives))) for name, takes, gives in rows
    }
    for name, function in signatures.items():
        takes, gives = found[name]
        assert takes == set(function.structured_input_signature[1])
        if gives:  # "the same" repeats the first row
            assert gives == set(function.structured_outputs)


def test_the_server_is_said_not_to_have_been_run():
    text = PAGE.read_text(encoding="utf-8")
    assert "The server itself was not run." in text
    assert sum("docker run" in content for _, content in blocks(text)) == 2
