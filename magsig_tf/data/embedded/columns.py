"""What array files say of each embedding beside its numbers: names, labels and more, as the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.table_text import Cells
from magsig_tf.errors import DataError, UsageError, nearest

FEATURES = ("features", "feature", "feats", "embeddings", "embedding")
"""Names under which an array of embeddings is found, the first that is there."""
PATHS = ("path", "paths", "file", "files", "filename", "filenames", "name", "names")
COORDS = ("coords", "coordinates")
ARRAY_NAMES = ("features", "path", "coords")
"""What `arrays` may name."""
MOST_ARRAYS = 10_000


def check_array_names(arrays: Mapping[str, str] | None) -> dict[str, str]:
    """Return what the user says of the names of arrays.

    Raises:
        UsageError: something else than `ARRAY_NAMES` is named.
    """
    for name in arrays or {}:
        if name not in ARRAY_NAMES:
            raise UsageError("Expected an array that magsig knows", f"found {name!r}", nearest(name, ARRAY_NAMES))
    return dict(arrays or {})


def chosen_array(
    what: str, usual: Sequence[str], there: Sequence[str], arrays: Mapping[str, str], name: str
) -> str | None:
    """Return the name that a file has for an array: the one that the user says, else a usual one, else None.

    Args:
        what: One of `ARRAY_NAMES`.
        usual: Names that are read as it, the first that is there.
        there: Names of the file's arrays.
        arrays: What the user says.
        name: What is read, for messages.

    Raises:
        UsageError: the array that the user names is not there.
    """
    if what in arrays:
        if arrays[what] not in there:
            expected = f"Expected an array {arrays[what]!r} in {name}, as was said"
            raise UsageError(expected, "found none", nearest(arrays[what], [printable(each) for each in there][:50]))
        return arrays[what]
    return next((each for each in usual if each in there), None)


def no_features(there: Sequence[str], name: str) -> DataError:
    """Return the refusal of a file in which no array is called what embeddings are called."""
    shown = ", ".join(printable(each)[:60] for each in there[:12]) or "none"
    expected = f"Expected an array {', '.join(FEATURES[:-1])} or {FEATURES[-1]} in {name}"
    return DataError(expected, f"found {shown}", "Say which it is: features=THEIRS")


def rows_of(shape: Sequence[int], name: str, described: int | None = None) -> tuple[int, int, int]:
    """Return rows, views and length of an array of embeddings.

    Args:
        shape: Of the array: [rows, length], [rows, views, length], or [1, rows, length] as CLAM writes it.
        name: What is read, for messages.
        described: How many rows the file describes by names or coordinates, where it does.

    Raises:
        DataError: it has another number of axes.
    """
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    if len(shape) == 3:
        if shape[0] == 1 and (described is None or described == shape[1]):
            return shape[1], 1, shape[2]
        return shape[0], shape[1], shape[2]
    expected = f"Expected embeddings of shape (images, length) or (images, views, length) in {name}"
    raise DataError(expected, f"found {tuple(shape)}", "Reshape or pool them")


def cells_of(columns: Mapping[str, np.ndarray], rows: int, name: str) -> Cells | None:
    """Return columns as the cells of a table, None where there is no column.

    Args:
        columns: Texts or numbers, shape (rows,), by the name of the column.
        rows: How many each must have.
        name: What is read, for messages.

    Raises:
        DataError: a column has another length, or a text is no UTF-8.
    """
    if not columns:
        return None
    for column, values in columns.items():
        if values.shape != (rows,):
            expected = f"Expected {rows:,} entries in {printable(column)} of {name}, one for each embedding"
            raise DataError(expected, f"found an array of shape {values.shape}", "Write one for each")
    texts = [texts_of(values, f"{printable(column)} of {name}") for column, values in columns.items()]
    return Cells([list(columns), *map(list, zip(*texts, strict=True))], list(range(rows + 1)), "row")


def texts_of(values: np.ndarray, name: str) -> list[str]:
    """Return texts, numbers or truth values as text without outer blanks.

    Raises:
        DataError: bytes are no UTF-8, or it is another kind of array.
    """
    if values.dtype.kind == "S" or (values.dtype.kind == "O" and all(isinstance(each, bytes) for each in values)):
        try:
            return [bytes(each).decode("utf-8").strip() for each in values]
        except UnicodeDecodeError as error:
            raise DataError(
                f"Expected text in UTF-8 as {name}", f"found {error.object[:20]!r}", "Save it so"
            ) from error
    if values.dtype.kind == "U" or (values.dtype.kind == "O" and all(isinstance(each, str) for each in values)):
        return [str(each).strip() for each in values]
    if values.dtype.kind == "b":
        return [str(int(each)) for each in values]
    if values.dtype.kind in "iuf":
        return [str(each) for each in values.tolist()]
    raise DataError(f"Expected texts or numbers as {name}", f"found {values.dtype}", "Write them as text")


def is_column(shape: Sequence[int], dtype: np.dtype, rows: int, column: str) -> bool:
    """Return whether an array is taken for a column: one text or number a row, or a known name, which has to be one."""
    return (tuple(shape) == (rows,) and dtype.kind in "USOiufb") or column in KNOWN
