"""Untrusted model files: what is more than layers and numbers is refused before Keras sees it."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.models.encoders.small_cnn import build
from magsig_tf.models.saved_model import check_hdf5, load_saved_model, load_weight_file

SHAPE = (16, 16, 3)


class Imported(keras.layers.Layer):
    """A layer of another package that is not registered."""

    def call(self, inputs):
        return inputs * 2.0


def network(*layers):
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(2, 3), *layers])


def rewritten(path, change):
    """Write the `.keras` file again with its config changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)


def test_a_lambda_is_refused_and_never_runs(tmp_path):
    path = tmp_path / "model.keras"
    network(keras.layers.Lambda(lambda pixels: pixels + 1)).save(path)
    with pytest.raises(DataError, match=r"keras\.layers\.Lambda"):
        load_saved_model(path)


@pytest.mark.parametrize(
    "attack",
    [
        {"module": "os", "class_name": "system", "config": "touch witness"},
        {"module": "keras.models", "class_name": "function", "config": "load_model"},
        {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "http://localhost/model"}},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
        {"module": "never_imported_module", "class_name": "Layer", "config": {}},
        {"module": None, "class_name": "__lambda__", "config": {"value": "4wAA"}},
    ],
    ids=lambda attack: attack["class_name"],
)
def test_what_is_no_layer_known_here_is_refused_however_deep_it_lies(attack, tmp_path):
    path = tmp_path / "model.keras"
    network().save(path)
    rewritten(path, lambda config: config["config"]["layers"][-1]["config"].update(kernel_initializer=attack))
    with pytest.raises(DataError, match=f"{attack['class_name']}, which is no layer known here"):
        load_saved_model(path)


def test_other_members_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    network().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../witness", "out")
    with pytest.raises(DataError, match="witness"):
        load_saved_model(path)


def test_a_layer_that_was_imported_is_known(tmp_path):
    path = tmp_path / "model.keras"
    model = network(Imported())
    model.save(path)
    images = np.ones((2, *SHAPE), "float32")
    np.testing.assert_array_equal(load_saved_model(path)(images), model(images))


@pytest.mark.parametrize("kind", ["external link", "soft link", "external array", "virtual array"])
def test_numbers_from_other_files_are_refused(kind, tmp_path):
    path, secret = tmp_path / "a.weights.h5", tmp_path / "secret.bin"
    secret.write_bytes(bytes(400))
    with h5py.File(path, "w") as file:
        if kind == "external link":
            file["weight"] = h5py.ExternalLink(str(secret), "/weight")
        elif kind == "soft link":
            file["weight"] = h5py.SoftLink("/elsewhere")
        elif kind == "external array":
            file.create_dataset("weight", (100,), "f4", external=[(str(secret), 0, 400)])
        else:
            layout = h5py.VirtualLayout((100,), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "weight", (100,))
            file.create_virtual_dataset("weight", layout)
    with pytest.raises(ValueError, match=r"is a link|another file"):
        check_hdf5(path)
    with pytest.raises(DataError, match=r"is a link|another file"):
        load_weight_file(build(SHAPE), path)


def test_weights_of_a_larger_network_are_refused(tmp_path):
    """Keras fills the layers it finds and says nothing of those that are left over."""
    small, large = network(), network(keras.layers.Conv2D(2, 3))
    path = tmp_path / "large.weights.h5"
    large.save_weights(path)
    before = small.get_weights()
    with pytest.raises(DataError, match=r"2 arrays\).*found 4 arrays"):
        load_weight_file(small, path)
    for old, new in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_random_states_and_optimizers_are_not_counted_as_weights(tmp_path):
    model = network(keras.layers.Dropout(0.5, seed=1), keras.layers.Flatten(), keras.layers.Dense(1))
    model.compile("adam", "mse")
    model.fit(np.ones((4, *SHAPE)), np.ones((4, 1)), verbose=0)
    path = tmp_path / "fitted.weights.h5"
    model.save_weights(path)
    other = network(keras.layers.Dropout(0.5, seed=1), keras.layers.Flatten(), keras.layers.Dense(1))
    load_weight_file(other, path)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_the_layout_of_keras_applications_files_is_read_by_order(tmp_path):
    """`..._notop.h5` files are of Keras 2: one group a layer, their order in attributes."""
    model = network(keras.layers.BatchNormalization())
    path = tmp_path / "network_weights_tf_dim_ordering_tf_kernels_notop.h5"
    values = [np.random.default_rng(n).normal(size=w.shape).astype("float32") for n, w in enumerate(model.weights)]
    with h5py.File(path, "w") as file:
        names = {"conv1": ["kernel:0", "bias:0"], "bn1": ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]}
        file.attrs["layer_names"] = [name.encode() for name in names]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.1.0"
        left = iter(values)
        for layer, weights in names.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{weight}".encode() for weight in weights]
            for weight in weights:
                group.create_dataset(f"{layer}/{weight}", data=next(left))
    load_weight_file(model, path)
    for found, expected in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(found, expected)
