"""What an untrusted model file may hold, checked before Keras opens it.

Keras's safe mode has been got round several times (CVE-2025-1550, CVE-2025-9906, CVE-2025-49655, CVE-2026-1462), and
magsig also runs on versions before the mends. These checks do not depend on the version.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import keras

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
