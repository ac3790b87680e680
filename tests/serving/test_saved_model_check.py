"""Untrusted SavedModels: what is more than a network is refused before TensorFlow opens it."""

from __future__ import annotations

import os
import shutil

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from magsig_tf.errors import DataError
from magsig_tf.serving.saved_model_check import ALLOWED, KNOWN_DANGERS, OF_SAVERS, check_saved_model, danger
from tests.serving.stand_in import write_stand_in

IMAGES = tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_stand_in(tmp_path_factory.mktemp("exports") / "bright") / "1"


@pytest.fixture
def version(whole, tmp_path):
    """A copy to change."""
    return shutil.copytree(whole, tmp_path / "bright" / "1")


def refused(folder, *said):
    with pytest.raises(DataError) as caught:
        check_saved_model(folder)
    for words in said:
        assert words in str(caught.value)


def rewritten(folder, change):
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(model.meta_graphs[0])
    path.write_bytes(model.SerializeToString())


def saved(folder, answer):
    """Write a SavedModel whose signature calls an unknown function."""
    module = tf.Module()
    module.answer = tf.function(answer, input_signature=[IMAGES])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return folder


def probability(images):
    return {"probability": tf.zeros((tf.shape(images)[0], 1)), "label": tf.fill([tf.shape(images)[0]], "benign")}


def test_what_an_export_is_made_of_passes(whole):
    check_saved_model(whole)


def normalized(folder):
    """Write a SavedModel with constants of a layer in it, as every encoder with ImageNet's mean and variance has."""
    import keras

    pixels = keras.Input((8, 8, 3))
    layer = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(layer(pixels))).export(folder, verbose=False)
    return folder


def test_constants_of_a_normalization_pass(tmp_path):
    check_saved_model(normalized(tmp_path / "1"))


def test_the_name_of_a_constant_makes_no_other_object_pass(tmp_path):
    def change(graph):
        nodes = graph.object_graph_def.nodes
        found = [node for node in nodes if node.registered_name == "tf.TrackableConstant"]
        assert found
        found[0].user_object.identifier = "_generic_user_object"

    folder = normalized(tmp_path / "1")
    rewritten(folder, change)
    refused(folder, "an object of the class 'tf.TrackableConstant'")


def test_reading_a_file_is_refused_before_it_is_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")

    def answer(images):
        return probability(images) | {"stolen": tf.io.read_file(str(secret))}

    refused(saved(tmp_path / "1", answer), "ReadFile", "can read any file")


def test_writing_a_file_is_refused(tmp_path):
    def answer(images):
        with tf.control_dependencies([tf.io.write_file(str(tmp_path / "witness"), "x")]):
            return probability(images)

    refused(saved(tmp_path / "1", answer), "WriteFile", "can write files")


def test_printing_to_a_file_is_refused(tmp_path):
    def answer(images):
        tf.print("x", output_stream=f"file://{tmp_path / 'witness'}")
        return probability(images)

    refused(saved(tmp_path / "1", answer), "PrintV2", "can write files")


def test_python_is_refused(tmp_path):
    def answer(images):
        called = tf.py_function(lambda value: value, [tf.constant(0.0)], tf.float32)
        return probability(images) | {"called": called}

    refused(saved(tmp_path / "1", answer), "EagerPyFunc", "calls Python")


def test_what_hides_in_a_branch_is_found(tmp_path):
    def answer(images):
        hidden = tf.cond(tf.shape(images)[0] > 10_000, lambda: tf.io.read_file("/etc/passwd"), lambda: tf.constant(""))
        return probability(images) | {"hidden": hidden}

    refused(saved(tmp_path / "1", answer), "ReadFile")


def test_what_hides_in_a_data_set_is_found(tmp_path):
    def answer(images):
        lines = tf.data.TextLineDataset(["/etc/passwd"]).batch(1000).get_single_element()
        return probability(images) | {"lines": lines}

    refused(saved(tmp_path / "1", answer), "TextLineDataset")


def test_files_of_its_own_are_refused(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("benign\n")
    module = tf.Module()
    module.asset = tf.saved_model.Asset(str(words))
    module.answer = tf.function(probability, input_signature=[IMAGES])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": module.answer})
    refused(tmp_path / "1", "assets")


def test_the_savers_own_functions_may_touch_files_only_while_nothing_calls_them(version):
    def call_it(graph):
        (saver,) = [f.signature.name for f in graph.graph_def.library.function if "traced_save" in f.signature.name]
        other = next(f for f in graph.graph_def.library.function if "traced" not in f.signature.name)
        node = other.node_def.add(name="sly", op="StatefulPartitionedCall")
        node.attr["f"].func.name = saver

    rewritten(version, call_it)
    refused(version, "__inference__traced_save")


def test_a_saver_that_is_served_is_refused(version):
    def serve_it(graph):
        (saver,) = [f.signature.name for f in graph.graph_def.library.function if "traced_restore" in f.signature.name]
        (served,) = [n for n in graph.object_graph_def.nodes if n.bare_concrete_function.concrete_function_name][:1]
        served.bare_concrete_function.concrete_function_name = saver

    rewritten(version, serve_it)
    refused(version, "RestoreV2")


def test_an_output_of_the_saver_is_refused(version):
    def serve_it(graph):
        graph.signature_def["serving_default"].outputs["probability"].name = graph.saver_def.save_tensor_name

    rewritten(version, serve_it)
    refused(version, "__inference__traced_")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda graph: setattr(graph.object_graph_def.nodes[0], "registered_name", "Package.Class"), "Package.Class"),
        (lambda graph: setattr(graph.object_graph_def.nodes[0].user_object, "identifier", "_tf_keras_layer"), "keras"),
        (lambda graph: graph.ClearField("object_graph_def"), "not of TensorFlow 2"),
        (lambda graph: graph.asset_file_def.add(filename="../../etc/passwd"), "assets"),
        (lambda graph: graph.graph_def.node.add(name="x", op="NewOperationOf2030"), "none that a network here needs"),
    ],
    ids=["registered class", "keras object", "first TensorFlow", "asset", "unknown operation"],
)
def test_a_doctored_graph_is_refused(version, change, said):
    rewritten(version, change)
    refused(version, said)


def test_another_graph_file_that_would_be_read_first_is_refused(version):
    for name in ("saved_model.cpb", "saved_model.pbtxt"):
        (version / name).write_bytes(b"")
        refused(version, name)
        (version / name).unlink()


@pytest.mark.parametrize("name", ["variables/variables.index", "saved_model.pb", "variables", "assets.extra"])
def test_links_are_refused(version, name, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    os.rename(version / name, elsewhere)
    (version / name).symlink_to(elsewhere)
    refused(version, "is a link")


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"{}"])
def test_what_is_no_graph_is_refused(version, content):
    (version / "saved_model.pb").write_bytes(content)
    refused(version, "found")


def test_a_pipe_in_place_of_weights_is_refused(version):
    path = version / "variables" / "variables.index"
    path.unlink()
    os.mkfifo(path)
    refused(version, "variables.index")


def test_the_allowed_operations_exist_and_take_no_file():
    from tensorflow.python.framework import op_def_registry

    assert not ALLOWED & (set(KNOWN_DANGERS) | OF_SAVERS)
    for name in ALLOWED:
        found = op_def_registry.get(name)
        assert found is not None, name
        # is_files says how slices would be shared out, and opens nothing
        words = [argument.name for argument in (*found.input_arg, *found.attr) if argument.name != "is_files"]
        assert not [word for word in words if "file" in word or "path" in word or word == "address"], name


def test_the_reasons_are_in_words():
    assert danger("ReadFile") == "can read any file"
    assert danger("Anything") == "is none that a network here needs"
