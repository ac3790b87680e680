"""An export as magsig itself uses it: the SavedModel and what lies beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import DataError, UsageError
from magsig_tf.serving.exporting.version_folder import find_version
from magsig_tf.serving.saved_model_check import check_saved_model


@dataclass(frozen=True)
class ExportedModel:
    """One version of a served model.

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
        folder = find_version(model)
        check_saved_model(folder)
        facts = folder / "assets.extra" / "export.json"
        try:
            loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # damaged files raise many kinds
            raise DataError(
                f"Expected a SavedModel in {folder}",
                f"found: {(str(error).splitlines() or [type(error).__name__])[0]}",
                "Export the run again",
            ) from error
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
        known = self.loaded.signatures
        if signature not in known:
            raise UsageError(
                f"Expected the signature {signature} in {self.folder}",
                f"found {', '.join(sorted(known)) or 'none'}",
                "Export a run with `magsig export`",
            )
        answers = known[signature](**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: values.numpy() for name, values in answers.items()}
