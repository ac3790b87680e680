"""Models and weights from files on disk, which may come from strangers: checked before Keras opens them.

Keras's safe mode has been got round several times (CVE-2025-1550, CVE-2025-9906, CVE-2025-49655, CVE-2026-1462), and
magsig also runs on versions before the mends. These checks do not depend on the version.
"""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import keras

import magsig_tf.models.layers  # noqa: F401  registers the layers
from magsig_tf.checksums import verified
from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.fuse import swap_batch_normalization, swap_grouped_convolution

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
LARGEST_CONFIG = 64 * 2**20
MODULES = ("keras", "keras.constraints", "keras.initializers", "keras.layers", "keras.models", "keras.regularizers")
PRIVATE_MODULES = ("keras.src.models.", "keras.src.ops.")
PLAIN = {"__keras_tensor__", "__tuple__", "__ellipsis__", "__numpy__", "__tensor__", "slice"}
"""Class names under which Keras stores values that are no classes; functions and lambdas are not among them."""
REFUSED = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),  # run code from the file or beside it
    *("StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization"),  # read files that the config names
}


def load_saved_model(path: Path) -> keras.Model:
    """Return the model of a `.keras` file, loaded with `safe_mode=True` and not compiled.

    Layers of other packages must have been imported before: nothing is imported because a file names it.

    Raises:
        ChangedError: it lies in the folder of a run or GAN and is not what was written there.
        DataError: the file is no Keras model, or needs code that is not known here.
    """
    verified(path)
    try:
        layers = check_keras_archive(path)
        return keras.saving.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
    except Exception as error:  # damaged and hostile files raise nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"Expected a Keras model in {path}", f"found: {reason}", "Pass a .keras file whose layers are known here"
        ) from error


def load_weight_file(model: keras.Model, path: Path) -> None:
    """Set the model's weights from a file.

    Args:
        model: A built encoder.
        path: `.weights.h5` (Keras 3), `.h5` (Keras 2 and keras.applications, matched by order), or `.keras` (a saved
            encoder, or a saved classifier, whose encoder is taken). Nothing in the file is executed.

    Raises:
        DataError: the file cannot be read or holds weights of another network.
        UsageError: the file has another suffix.
    """
    if path.suffix not in (".h5", ".keras"):
        raise UsageError(
            "Expected a weight file ending in .weights.h5, .h5 or .keras", f"found {path.name}", "Convert it with Keras"
        )
    if path.suffix == ".keras":
        saved = load_saved_model(path)
        names = [layer.name for layer in saved.layers]
        values = (saved.get_layer("encoder") if "encoder" in names else saved).get_weights()
    else:
        values = _values_from_h5(model, path)
    found, expected = [value.shape for value in values], [tuple(weight.shape) for weight in model.weights]
    if found != expected:
        raise _mismatch(model, path, f"found {len(found)} arrays of other shapes")
    model.set_weights(values)


def _values_from_h5(model: keras.Model, path: Path) -> list:
    try:
        count = check_hdf5(path)
    except (ValueError, OSError) as error:
        raise _mismatch(model, path, f"found: {error}") from error
    if path.name.endswith(".weights.h5") and count != len(model.weights):
        # Keras fills what it finds and says nothing of the rest
        raise _mismatch(model, path, f"found {count} arrays")
    # Keras 3 files name layers by their class, so one written with Keras's own layers fits only those
    unfused = swap_grouped_convolution(swap_batch_normalization(model, fused=False), depthwise=False)
    reasons = []
    for candidate in (model,) if unfused is model else (model, unfused):
        try:
            with warnings.catch_warnings():
                # Keras warns of bookkeeping containers too; arrays that are missing raise all the same
                warnings.filterwarnings("ignore", message="Skipping nested container")
                candidate.load_weights(path)
            return candidate.get_weights()
        except (ValueError, KeyError, OSError, AttributeError, TypeError) as error:
            reasons.append((str(error).splitlines() or [type(error).__name__])[0])
    raise _mismatch(model, path, f"found: {reasons[-1]}")


def _mismatch(model: keras.Model, path: Path, found: str) -> DataError:
    expected = f"Expected weights of {model.name} ({len(model.weights)} arrays) in {path}"
    return DataError(expected, found, "Pass a file written by the same encoder")


def check_keras_archive(path: Path) -> dict[str, type[keras.Layer]]:
    """Refuse a `.keras` file that holds more than layers and numbers.

    Args:
        path: The file.

    Returns:
        The imported layers of other packages that it needs, by class name, for `custom_objects`: safe mode refuses
        those that are not registered.

    Raises:
        ValueError: it holds other members, a class that is neither one of Keras's harmless ones nor a layer that this
            process has imported, or numbers that lie outside the file.
        zipfile.BadZipFile: it is no archive.
        OSError: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if set(members) != MEMBERS or len(archive.infolist()) != len(MEMBERS):
            raise ValueError(f"the archive holds {sorted(members)[:5]}, not {sorted(MEMBERS)}")
        if members["config.json"].file_size > LARGEST_CONFIG:
            raise ValueError(f"a config of {members['config.json'].file_size} bytes")
        known = [_known_class(found) for found in _classes(json.loads(archive.read("config.json")))]
        with archive.open("model.weights.h5") as stream:
            check_hdf5(stream)
    return {layer.__name__: layer for layer in known if layer}


def check_hdf5(source: Path | IO[bytes]) -> int:
    """Refuse an HDF5 file that points to other files, and count its arrays.

    Args:
        source: The file or a seekable stream.

    Returns:
        The number of model weights in a file that Keras 3 wrote: optimizer and random states are not counted.

    Raises:
        ValueError: a link or an array lies in another file.
        OSError: it is no HDF5 file.
    """
    with h5py.File(source, "r") as file:
        names = list(_arrays(file, ""))
    return sum(1 for name in names if not name.startswith("/optimizer/") and "/seed_generator" not in name)


def _classes(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            stack += item.values()
        elif isinstance(item, list):
            stack += item


def _known_class(found: dict[str, Any]) -> type[keras.Layer] | None:
    """Return the layer of another package that is named, None where Keras knows it itself, or refuse it."""
    module, name, registered = found.get("module"), found["class_name"], found.get("registered_name")
    if name in PLAIN or (registered and keras.saving.get_registered_object(registered) is not None):
        return None
    if isinstance(module, str) and isinstance(name, str) and name not in REFUSED and name[:1].isupper():
        if module in MODULES or module.startswith(PRIVATE_MODULES):
            return None
        known = getattr(sys.modules.get(module), name, None)
        if isinstance(known, type) and issubclass(known, keras.Layer):
            return known
    raise ValueError(f"it names {module}.{name}, which is no layer known here")


def _arrays(group: h5py.Group, path: str) -> Iterator[str]:
    """Yield the paths of all arrays; nothing outside the file is opened."""
    for name in group:
        where, link = f"{path}/{name}", group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{where} is a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _arrays(item, where)
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"{where} lies in another file")
            yield where
