"""An export on disk: its numbered versions, what each says of itself, and the function that answers.

One folder per model, one numbered folder per version, as TensorFlow Serving watches them. Only `ExportedModel` needs
TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magsig_tf.atomic_files import holding, read_json, writing
from magsig_tf.errors import DataError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
Answers = tuple[np.ndarray, list[str]]
"""Probabilities, float32 [batch], and labels."""


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
    unfinished = f".{model.name}.exporting-"
    with holding(model.with_name(f".{model.name}.lock"), f"the export {model.name!r}"):
        # nobody else is at work on this name: what lies there was left by a kill
        for left in model.parent.glob(f"{unfinished}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = model.with_name(f"{unfinished}{uuid.uuid4().hex[:8]}")
        place = model / str(max(versions(model), default=0) + 1)
        try:
            with writing(folder):
                folder.mkdir()
                yield folder, place
                model.mkdir(exist_ok=True)
                os.rename(folder, place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


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
        if (folder / "saved_model.pb").is_file():
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
            DataError: it is damaged, or holds what no network needs.
        """
        import tensorflow as tf

        from magsig_tf.serving.saved_model_check import check_saved_model

        folder = find_version(model)
        check_saved_model(folder)
        facts = folder / "assets.extra" / "export.json"
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


class ModelDescription(BaseModel):
    """What one version of a model says of itself: all that `predict` needs of it.

    Args:
        folder: The version's folder.
        name: Name of the model.
        version: Its version.
        size: Height and width in pixels of the images that it was trained on.
        resize: How these were brought to their size, "squash" or "crop".
        labels: Class names: of a probability below the threshold, and from it on.
        threshold: In [0, 1].
        magnifications: Those that it was trained at.
        holdout: The magnification that was left out; empty where that is not known.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    folder: Path
    name: str
    version: int = 0
    size: int = Field(ge=1, le=4096)
    resize: Literal["squash", "crop"]
    labels: tuple[str, str]
    threshold: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    magnifications: tuple[str, ...]
    holdout: str = ""

    @classmethod
    def open(cls, model: Path) -> ModelDescription:
        """Read what the latest version of a model, or the version of that folder, says of itself.

        Args:
            model: Folder of a model with numbered versions, or of one version.

        Raises:
            UsageError: there is no exported model.
            DataError: its `assets.extra` are missing or damaged.
        """
        folder = find_version(model)
        path = folder / "assets.extra" / "export.json"
        facts = read_json(path)
        said = {"name": folder.resolve().parent.name, **facts, "folder": folder, "size": facts.get("image_size")}
        for key, written in (("labels", "labels"), ("magnifications", "source_magnifications")):
            said[key] = tuple(facts.get(written) or ())
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            wrong = error.errors()[0]["loc"][0]
            known = ", ".join(name for name in cls.model_fields if name != "folder")
            found = f"found {wrong} {json.dumps(said.get(str(wrong)))[:80]}"
            raise DataError(f"Expected {known} in {path}", found, "Export the model again") from error

    @property
    def title(self) -> str:
        """The model in words."""
        return f"{self.name} version {self.version}"

    def identity(self) -> str:
        """Return a hash of graph and weights: 64 hex digits."""
        digest = hashlib.sha256()
        for path in sorted([self.folder / "saved_model.pb", *(self.folder / "variables").glob("*")]):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    def load(self) -> Callable[[np.ndarray], Answers]:
        """Check the SavedModel and load it with TensorFlow.

        Returns:
            A function from uint8 [batch, height, width, 3] to answers; threads may call it at once.

        Raises:
            DataError: it holds what no network needs, cannot be loaded, or does not answer as an export does.
        """
        exported = ExportedModel.open(self.folder)
        signature = exported.loaded.signatures.get("serving_default")
        outputs = set(signature.structured_outputs) if signature else set()
        if not outputs >= {"probability", "label"}:
            expected = f"Expected a SavedModel that gives probability and label for images in {self.folder}"
            found = f"found the outputs {', '.join(sorted(outputs)) or 'none'}"
            raise DataError(expected, found, "Export the run again")

        def answer(pixels: np.ndarray) -> Answers:
            said = exported.ask("serving_default", images=pixels)
            labels = [label.decode("utf-8", "replace") for label in said["label"].reshape(-1)]
            return said["probability"].reshape(-1), labels

        return answer
