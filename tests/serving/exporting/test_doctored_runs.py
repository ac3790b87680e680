"""What an untrusted run folder or generator could hide is refused before Keras opens it, and nothing is exported."""

from __future__ import annotations

import os
import shutil
import zipfile

import h5py
import keras
import pytest

from magsig_tf.atomic_files import write_json
from magsig_tf.checksums import sign_folder
from magsig_tf.errors import DataError
from magsig_tf.gan.train import GENERATOR, load_generator
from magsig_tf.serving.exporting.export import export_run, open_whole
from tests.gan.tiny_gan import IDENTITY
from tests.models.test_saved_model import rewritten


def traversal(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../witness", "out")


def code_in_a_lambda(path):
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "os.system"}}
    rewritten(path, lambda config: config["config"]["layers"].append(layer))


def registered_object(path):
    trick = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}
    rewritten(path, lambda config: config["config"]["layers"][-1]["config"].update(kernel_initializer=trick))


def module_import(path):
    trick = {"module": "os", "class_name": "system", "config": {"command": "touch witness"}, "registered_name": None}
    rewritten(path, lambda config: config["config"]["layers"][-1].update(trick))


def numbers_elsewhere(path, link):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = path.with_suffix(".h5")
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "a") as file:
        if link:
            file["stolen"] = h5py.ExternalLink("/etc/passwd", "/weights")
        else:
            file.create_dataset("stolen", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


ATTACKS = {
    "path traversal": (traversal, "witness"),
    "Lambda layer": (code_in_a_lambda, "Lambda"),
    "registered object": (registered_object, "no layer known here"),
    "imported module": (module_import, "os.system"),
    "HDF5 link": (lambda path: numbers_elsewhere(path, True), "is a link"),
    "HDF5 storage": (lambda path: numbers_elsewhere(path, False), "another file"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_doctored_run_is_not_exported(name, study, tmp_path):
    doctor, said = ATTACKS[name]
    folder = shutil.copytree(study.folder, tmp_path / "run")
    doctor(folder / "model.keras")
    sign_folder(folder)  # who rewrites a file rewrites its checksum too
    with pytest.raises(DataError, match=said):
        export_run(open_whole(folder), study.prepared, root=tmp_path / "saved_models", name="stolen")
    assert not (tmp_path / "saved_models" / "stolen").exists()
    assert not [path for path in tmp_path.rglob("*") if path.name == "witness"]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_doctored_generator_is_not_sampled(name, tmp_path):
    doctor, said = ATTACKS[name]
    latent = keras.Input((8,))
    keras.Model(latent, keras.layers.Dense(4)(latent)).save(tmp_path / GENERATOR)
    write_json(tmp_path / "gan.json", {"status": "done", **IDENTITY})
    doctor(tmp_path / GENERATOR)
    with pytest.raises(DataError, match=said):
        load_generator(tmp_path, IDENTITY)
    assert not os.path.exists("witness")
