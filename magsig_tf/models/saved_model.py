"""Load a saved Keras model that may hold magsig's layers."""

from __future__ import annotations

from pathlib import Path

import keras

import magsig_tf.models.layers  # noqa: F401  registers the layers
from magsig_tf.errors import DataError
from magsig_tf.models.file_checks import check_keras_archive


def load_saved_model(path: Path) -> keras.Model:
    """Return the model of a `.keras` file, loaded with `safe_mode=True` and not compiled.

    Layers of other packages must have been imported before: nothing is imported because a file names it.

    Raises:
        DataError: the file is no Keras model, or needs code that is not known here.
    """
    try:
        layers = check_keras_archive(path)
        return keras.saving.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
    except Exception as error:  # damaged and hostile files raise nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"Expected a Keras model in {path}", f"found: {reason}", "Pass a .keras file whose layers are known here"
        ) from error
