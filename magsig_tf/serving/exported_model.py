"""An export as a client finds it: what it says of itself, and the function that answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magsig_tf.atomic_files import read_json
from magsig_tf.data.decode import RESIZE
from magsig_tf.errors import DataError
from magsig_tf.serving.version_folder import find_version

Answers = tuple[np.ndarray, list[str]]
"""Probabilities, float32 [batch], and labels."""


@dataclass(frozen=True)
class ExportedModel:
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
    def open(cls, model: Path) -> ExportedModel:
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
        import tensorflow as tf

        from magsig_tf.serving.saved_model_check import check_saved_model

        check_saved_model(self.folder)
        try:
            loaded = tf.saved_model.load(str(self.folder))
            function = loaded.signatures["serving_default"]
            outputs = set(function.structured_outputs)
        except Exception as error:  # TensorFlow raises many kinds on damaged files
            raise self._unusable(f"found: {' '.join(str(error).split())[:200]}") from error
        if not outputs >= {"probability", "label"}:
            raise self._unusable(f"found the outputs {', '.join(sorted(outputs)) or 'none'}")

        def answer(pixels: np.ndarray, _keep=loaded) -> Answers:  # the functions live as long as what was loaded
            found = function(images=tf.constant(pixels))
            labels = [label.decode("utf-8", "replace") for label in found["label"].numpy().reshape(-1)]
            return found["probability"].numpy().reshape(-1), labels

        return answer

    def _unusable(self, found: str) -> DataError:
        expected = f"Expected a SavedModel that gives probability and label for images in {self.folder}"
        return DataError(expected, found, "Export the model again")


def _is_names(value: object) -> bool:
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
