"""An export on disk: its numbered versions, and its signatures when it is loaded.

One folder per model, one numbered folder per version, as TensorFlow Serving watches them. Only `ExportedModel` needs
TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.atomic_files import read_json, writing
from magsig_tf.checksums import FILE as CHECKSUMS
from magsig_tf.checksums import verify_tree
from magsig_tf.errors import DataError, MagsigError, UsageError
from magsig_tf.locks import holding, short, sweep

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNFINISHED = ".exporting-"
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
EXTRA = "assets.extra"
"""Folder of a version for what no server reads."""


def model_folder(root: Path, name: str) -> Path:
    """Return where the versions of a model lie.

    Args:
        root: The folder of all exports.
        name: Of the model.

    Raises:
        UsageError: the name is none for a folder.
    """
    if not _NAME.fullmatch(name):
        expected = "Expected a model name of letters, digits, '.', '_' and '-'"
        raise UsageError(expected, f"found {name!r}", "Pass another --name")
    return Path(root) / name


@contextlib.contextmanager
def writing_version(model: Path) -> Iterator[tuple[Path, Path]]:
    """Yield an empty folder beside the model's, where no server looks, and the place that it is moved to in one step.

    The place has the first number above every version there is. Nothing stays where the block raises.

    Args:
        model: The model's folder, made where it is missing.

    Raises:
        RunError: another process exports to the same name.
        MagsigError: the folder cannot be written.
    """
    with _holding(model):
        _sweep(model)
        folder = model.with_name(f".{model.name}{_UNFINISHED}{uuid.uuid4().hex[:8]}")
        place = model / str(max(versions(model), default=0) + 1)
        try:
            with writing(folder):
                folder.mkdir()
                yield folder, place
                model.mkdir(exist_ok=True)
                os.rename(folder, place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _holding(model: Path) -> contextlib.AbstractContextManager[None]:
    return holding(model.with_name(f".{short(model.name)}.magsig.lock"), f"the export {model.name!r}")


def _sweep(model: Path) -> None:
    """Remove what kills left beside a model that is held: unfinished folders whose model nobody is at work on."""
    sweep(model.parent)
    for left in model.parent.glob(f".*{_UNFINISHED}*"):
        name = left.name[1:].partition(_UNFINISHED)[0]
        free = contextlib.nullcontext() if name == model.name else _holding(model.with_name(name))
        with contextlib.suppress(MagsigError), free:
            shutil.rmtree(left, ignore_errors=True)


def versions(model: Path) -> list[int]:
    """Return the numbers of the versions below a model's folder, ascending."""
    return sorted(int(entry.name) for entry in model.glob("*") if _VERSION.fullmatch(entry.name))


def find_version(model: Path) -> Path:
    """Return the folder of one version: the given one, or the latest of a model.

    Args:
        model: A version's folder, or that of a model with numbered versions.

    Raises:
        UsageError: there is no SavedModel.
    """
    model = Path(model)
    for folder in (model, *(model / str(number) for number in reversed(versions(model)))):
        # a version that lost its graph is not passed over for an older one: opening it says what is missing
        if (folder / "saved_model.pb").is_file() or (folder / EXTRA / CHECKSUMS).is_file():
            return folder
    found = "found none" if model.is_dir() else "found no such folder"
    remedy = "Run `magsig export` first, and pass the folder that it names"
    raise UsageError(f"Expected an exported model in {model}", found, remedy)


@dataclass(frozen=True)
class ExportedModel:
    """One version of a served model, loaded.

    Args:
        folder: Where it lies.
        facts: Its `export.json`; empty where there is none.
        loaded: What `tf.saved_model.load` returned.
    """

    folder: Path
    facts: dict[str, Any] = field(repr=False)
    loaded: Any = field(repr=False)

    @classmethod
    def open(cls, model: Path) -> ExportedModel:
        """Load a version: the given one, or the latest of a model.

        Args:
            model: A version's folder, or that of a model with numbered versions.

        Raises:
            UsageError: there is no SavedModel.
            ChangedError: a file is not what `magsig export` wrote.
            DataError: it is damaged, or holds what no network needs.
        """
        import tensorflow as tf

        from magsig_tf.serving.saved_model_check import check_saved_model

        folder = find_version(model)
        verify_tree(folder, folder / EXTRA)
        check_saved_model(folder)
        facts = folder / EXTRA / "export.json"
        try:
            loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # damaged files raise many kinds
            found = f"found: {(str(error).splitlines() or [type(error).__name__])[0]}"
            raise DataError(f"Expected a SavedModel in {folder}", found, "Export the run again") from error
        return cls(folder, read_json(facts) if facts.is_file() else {}, loaded)

    @property
    def title(self) -> str:
        """Name and version in words."""
        return f"{self.folder.parent.name} version {self.folder.name}"

    def ask(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays that a signature answers.

        Args:
            signature: Its name.
            inputs: Its arguments.

        Raises:
            UsageError: the model has no such signature.
        """
        import tensorflow as tf

        known = self.loaded.signatures
        if signature not in known:
            expected = f"Expected the signature {signature} in {self.folder}"
            found = f"found {', '.join(sorted(known)) or 'none'}"
            raise UsageError(expected, found, "Export a run with `magsig export`")
        answers = known[signature](**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: values.numpy() for name, values in answers.items()}
