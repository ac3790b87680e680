"""What an export says of itself, and the function that answers: all that `predict` needs of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from magsig_tf.atomic_files import read_json
from magsig_tf.data.sources.images import RESIZE
from magsig_tf.errors import DataError
from magsig_tf.serving.exporting.version_folder import find_version

Answers = tuple[np.ndarray, list[str]]
"""Probabilities, float32 [batch], and labels."""


@dataclass(frozen=True)
class ModelDescription:
    """One version of an exported model; TensorFlow is not needed to open it.

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

    folder: Path
    name: str
    version: int
    size: int
    resize: str
    labels: tuple[str, str]
    threshold: float
    magnifications: tuple[str, ...]
    holdout: str

    @classmethod
    def open(cls, model: Path) -> ModelDescription:
        """Read what the latest version of a model, or the version of that folder, says of itself.

        Args:
            model: Folder of a model with numbered versions, or of one version.

        Raises:
            UsageError: there is no exported model.
            DataError: its `assets.extra` are missing or damaged.
        """
        folder = find_version(Path(model))
        facts = read_json(folder / "assets.extra" / "export.json")
        said = {
            "name": facts.get("name", folder.resolve().parent.name),
            "version": facts.get("version", 0),
            "size": facts.get("image_size"),
            "resize": facts.get("resize"),
            "labels": tuple(facts.get("labels") or ()),
            "threshold": facts.get("threshold", 0.5),
            "magnifications": tuple(facts.get("source_magnifications") or ()),
            "holdout": facts.get("holdout", ""),
        }
        wrong = [key for key, fits in _KINDS.items() if not fits(said[key])]
        if wrong:
            raise DataError(
                f"Expected {', '.join(_KINDS)} in {folder / 'assets.extra' / 'export.json'}",
                f"found {wrong[0]} {json.dumps(said[wrong[0]])[:80]}",
                "Export the model again",
            )
        return cls(folder=folder, **said)

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
        from magsig_tf.serving.exported_model import ExportedModel

        exported = ExportedModel.open(self.folder)
        signature = exported.loaded.signatures.get("serving_default")
        outputs = set(signature.structured_outputs) if signature else set()
        if not outputs >= {"probability", "label"}:
            raise DataError(
                f"Expected a SavedModel that gives probability and label for images in {self.folder}",
                f"found the outputs {', '.join(sorted(outputs)) or 'none'}",
                "Export the run again",
            )

        def answer(pixels: np.ndarray) -> Answers:
            found = exported.ask("serving_default", images=pixels)
            labels = [label.decode("utf-8", "replace") for label in found["label"].reshape(-1)]
            return found["probability"].reshape(-1), labels

        return answer


def _is_names(value: object) -> TypeGuard[tuple[str, ...]]:
    return isinstance(value, tuple) and all(isinstance(name, str) for name in value)


_KINDS: dict[str, Callable[[object], bool]] = {
    "name": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, int),
    "size": lambda value: isinstance(value, int) and 1 <= value <= 4096,
    "resize": lambda value: value in RESIZE,
    "labels": lambda value: _is_names(value) and len(value) == 2,
    "threshold": lambda value: isinstance(value, int | float) and 0 <= value <= 1,
    "magnifications": _is_names,
    "holdout": lambda value: isinstance(value, str),
}
