"""What an exported model says of itself, and the function that answers: all that `predict` needs of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magsig_tf.atomic_files import read_json
from magsig_tf.checksums import verify_tree
from magsig_tf.data.prepared import EMBEDDINGS, IMAGES
from magsig_tf.errors import DataError
from magsig_tf.serving.exported_model import EXTRA, ExportedModel, find_version

Answers = tuple[np.ndarray, list[str]]
"""Probabilities, float32 [batch], and labels."""


class ModelDescription(BaseModel):
    """What one version of a model says of itself; `open` returns an `ImageModel` or an `EmbeddingModel`.

    Args:
        folder: The version's folder.
        name: Name of the model.
        version: Its version.
        labels: Class names: of a probability below the threshold, and from it on.
        threshold: In [0, 1].
        magnifications: Those that it was trained at.
        holdout: The magnification that was left out; empty where that is not known.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    argument: ClassVar[str]
    written_as: ClassVar[dict[str, str]] = {"labels": "labels", "magnifications": "source_magnifications"}

    folder: Path
    name: str
    version: int = 0
    labels: tuple[str, str]
    threshold: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    magnifications: tuple[str, ...]
    holdout: str = ""

    @staticmethod
    def open(model: Path) -> ImageModel | EmbeddingModel:
        """Read what the latest version of a model, or the version of that folder, says of itself.

        Args:
            model: Folder of a model with numbered versions, or of one version.

        Raises:
            UsageError: there is no exported model.
            ChangedError: a file is not what `magsig export` wrote.
            DataError: its `assets.extra` are missing or damaged.
        """
        folder = find_version(model)
        path = folder / EXTRA / "export.json"
        verify_tree(folder, folder / EXTRA)
        facts = read_json(path)
        kinds: dict[object, type[ImageModel] | type[EmbeddingModel]] = {IMAGES: ImageModel, EMBEDDINGS: EmbeddingModel}
        kind = kinds.get(takes := facts.get("takes", IMAGES))  # exports of earlier versions all took images
        if kind is None:
            expected = f"Expected a model of images or embeddings in {path}"
            raise DataError(expected, f"found one of {json.dumps(takes)[:80]}", "Export the model again")
        said = {"name": folder.resolve().parent.name, **facts, "folder": folder}
        said |= {key: facts.get(written) for key, written in kind.written_as.items()}
        said |= {key: tuple(said[key] or ()) for key in ModelDescription.written_as}
        try:
            return kind.model_validate(said)
        except ValidationError as error:
            wrong = error.errors()[0]["loc"][0]
            known = ", ".join(name for name in kind.model_fields if name != "folder")
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
            A function from what it takes, [batch, ...], to answers; threads may call it at once.

        Raises:
            DataError: it holds what no network needs, cannot be loaded, or does not answer as an export does.
        """
        exported = ExportedModel.open(self.folder)
        signature = exported.loaded.signatures.get("serving_default")
        outputs = set(signature.structured_outputs) if signature else set()
        if not outputs >= {"probability", "label"}:
            expected = f"Expected a SavedModel that gives probability and label for {self.argument} in {self.folder}"
            found = f"found the outputs {', '.join(sorted(outputs)) or 'none'}"
            raise DataError(expected, found, "Export the run again")

        def answer(batch: np.ndarray) -> Answers:
            said = exported.ask("serving_default", **{self.argument: batch})
            labels = [label.decode("utf-8", "replace") for label in said["label"].reshape(-1)]
            return said["probability"].reshape(-1), labels

        return answer


class ImageModel(ModelDescription):
    """A model of images: uint8 [batch, height, width, 3].

    Args:
        size: Height and width in pixels of the images that it was trained on.
        resize: How these were brought to their size, "squash" or "crop".
    """

    argument = IMAGES
    written_as = {**ModelDescription.written_as, "size": "image_size", "resize": "resize"}

    size: int = Field(ge=1, le=4096)
    resize: Literal["squash", "crop"]


class EmbeddingModel(ModelDescription):
    """A model of embeddings that another model calculated: float32 [batch, length].

    Args:
        length: Numbers in one embedding.
    """

    argument = EMBEDDINGS
    written_as = {**ModelDescription.written_as, "length": "input_length"}

    length: int = Field(ge=1, le=2**24)
