"""Load a saved Keras model that may hold magsig's layers."""

from __future__ import annotations

from pathlib import Path

import keras

import magsig_tf.models.layers  # noqa: F401  registers the layers
from magsig_tf.errors import DataError


def load_saved_model(path: Path) -> keras.Model:
    """Return the model of a `.keras` file, loaded with `safe_mode=True` and not compiled.

    Raises:
        DataError: the file is no Keras model, or needs code that is not known here.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damaged and hostile files raise nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"Expected a Keras model in {path}", f"found: {reason}", "Pass a .keras file whose layers are known here"
        ) from error
