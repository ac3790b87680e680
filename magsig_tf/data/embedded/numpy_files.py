"""Embeddings in NPZ and NPY files: mapped where they lie uncompressed, expanded in blocks where not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from magsig_tf.data.embedded.columns import (
    COORDS,
    FEATURES,
    PATHS,
    cells_of,
    chosen_array,
    is_column,
    no_features,
    rows_of,
)
from magsig_tf.data.embedded.stored import FoundEmbeddings, Mapped, check_shape, rows_in_block, spooled
from magsig_tf.data.embedded.values import float_kind
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, in_one_line, reading_remedy
from magsig_tf.npz_files import NpzError, ObjectsError, declared_in_npz, map_npy, map_npz, npz_blocks, read_npz


def read_npy_features(path: Path) -> FoundEmbeddings:
    """Read an NPY file, which holds embeddings and nothing else.

    Raises:
        DataError: it cannot be read, or holds no embeddings.
    """
    try:
        array = map_npy(path)
    except (OSError, NpzError) as error:
        raise _unreadable(path, error) from error
    shape = rows_of(array.shape, path.name)
    check_shape(shape, path.name)
    float_kind(array.dtype, path.name)
    return FoundEmbeddings(Mapped(array.reshape(shape)), (path,), path.name, path.stem, str(array.dtype))


def read_npz_features(path: Path, arrays: Mapping[str, str], spool: Path | None) -> FoundEmbeddings:
    """Read an NPZ file: one that training wrote, or arrays of the user's.

    Args:
        path: Holds `features` (or another of `FEATURES`), and, one entry for each, what is known of the images.
        arrays: Names of the file's arrays for `features` and `path`, where they are others.
        spool: Folder for a copy of compressed embeddings that are too large for memory.

    Raises:
        DataError: it cannot be read, holds no embeddings, or an array of another length.
    """
    try:
        declared = declared_in_npz(path)
        features = _features(declared, arrays, path.name)
        described = {array.shape[0] for name, array in declared.items() if name in PATHS and array and array.shape}
        shape = rows_of(declared[features].shape, path.name, min(described, default=None))  # type: ignore[union-attr]
        check_shape(shape, path.name)
        dtype = declared[features].dtype  # type: ignore[union-attr]
        float_kind(dtype, path.name)
        mapped = map_npz(path, features)
        if mapped is not None:
            stored = Mapped(mapped.reshape(shape))
        else:
            blocks = npz_blocks(path, features, shape, rows_in_block(shape))
            stored = spooled(shape, dtype, blocks, spool)
        cells, notes = _columns(path, declared, features, arrays, shape[0])
    except (OSError, NpzError) as error:
        raise _unreadable(path, error) from error
    return FoundEmbeddings(stored, (path,), path.name, path.stem, str(dtype), cells, notes=tuple(notes))


def _features(declared: Mapping, arrays: Mapping[str, str], name: str) -> str:
    features = chosen_array("features", FEATURES, list(declared), arrays, name)
    if features is None:
        large = [each for each, array in declared.items() if array and len(array.shape) > 1 and array.dtype.kind == "f"]
        if len(large) != 1:
            raise no_features(list(declared), name)
        features = large[0]
    if declared[features] is None:
        raise ObjectsError(features)
    return features


def _columns(path: Path, declared: Mapping, features: str, arrays: Mapping[str, str], rows: int) -> tuple:
    paths = chosen_array("path", PATHS, list(declared), arrays, path.name)
    for name, array in declared.items():
        if array is None and (name == paths or is_column((), np.dtype(object), rows, name)):
            raise ObjectsError(name)
    wanted = [
        name
        for name, array in declared.items()
        if array and name != features and (name == paths or is_column(array.shape, array.dtype, rows, name))
    ]
    passed = [name for name in declared if name not in (*wanted, features, *COORDS)]
    columns = {"path" if name == paths else name: values for name, values in read_npz(path, wanted).items()}
    shown = ", ".join(printable(name) for name in passed[:5])
    notes = [f"{path.name}: passed over {len(passed):,} other arrays ({shown})"] if passed else []
    return cells_of(columns, rows, path.name), notes


def _unreadable(path: Path, error: Exception) -> DataError:
    expected = f"Expected a readable file of arrays: {path.name}"
    if isinstance(error, ObjectsError):
        remedy = f"Write {printable(error.array)}.astype(str) or .astype(float) before numpy.savez"
        return DataError(expected, f"found: {in_one_line(error)}", remedy)
    return DataError(expected, f"found: {in_one_line(error)[:200]}", reading_remedy(error, "Write it anew"))
