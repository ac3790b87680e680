"""Weights from a file on disk into a model that has been built."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.file_checks import check_hdf5
from magsig_tf.models.fuse import swap_batch_normalization, swap_grouped_convolution
from magsig_tf.models.saved_model import load_saved_model


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
