"""An encoder with a registered layer of its own, named by import path, is trained and exported as any other."""

import json

import pytest

from tests.serving.tiny_export import write_files

ENCODER = """
import keras


@keras.saving.register_keras_serializable("mine")
class Halving(keras.layers.Layer):
    def call(self, inputs):
        return inputs / 2


def build(input_shape, weights):
    pixels = keras.Input(input_shape)
    x = Halving()(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))
"""


@pytest.mark.slow
def test_it_is_trained_in_one_process_and_exported_in_another(magsig, tmp_path):
    (tmp_path / "own_encoder.py").write_text(ENCODER)
    source = write_files(tmp_path / "files")
    assert magsig("prepare", "--source", source, "--name", "tiny", "--size", "32").returncode == 0
    words = ("--encoder", "own_encoder:build", "--holdout", "400X", "--epochs", "1", "--images-per-magnification", "8")
    trained = magsig("train", "--method", "baseline", *words, "--json")
    assert trained.returncode == 0, trained.stderr
    (record,) = json.loads(trained.stdout)["done"]
    exported = magsig("export", "--run", record["folder"], "--name", "own", "--output", "models")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "models" / "own" / "1" / "saved_model.pb").is_file()
