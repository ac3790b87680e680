"""The numbers of embeddings as float32 or float16, and what is wrong or strange about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.data.embedded.stored import FoundEmbeddings, StoredArray, rows_in_block
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError

_EXACT = 2**24
"""Whole numbers up to it are float32's."""
_SHOWN = 3


@dataclass
class _Seen:
    """What is counted while the rows pass."""

    broken: list[int] = field(default_factory=list)
    broken_count: int = 0
    infinite: int = 0
    too_large: int = 0
    zero_rows: int = 0
    vanished: int = 0
    inexact: int = 0
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    digests: list[bytes] = field(default_factory=list)


def float_kind(stored: np.dtype, name: str) -> np.dtype:
    """Return the kind that embeddings have for magsig: float16 stays, all else becomes float32.

    Args:
        stored: The kind that the file has.
        name: What is read, for messages.

    Raises:
        DataError: it holds no real numbers.
    """
    if stored.kind not in "fiu":
        found = f"found {stored}" if stored.kind in "bc" else "found an array of texts or objects"
        raise DataError(f"Expected real numbers as embeddings in {name}", found, "Write them as float32")
    return np.dtype(np.float16 if stored == np.float16 else np.float32)


def as_floats(block: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Return numbers as float16 or float32; those beyond its range become infinite."""
    with np.errstate(over="ignore", under="ignore"):
        return block.astype(kind, copy=False)


def check_values(found: FoundEmbeddings, named: Callable[[int], str]) -> tuple[list[str], dict[str, int]]:
    """Pass over all numbers once.

    Args:
        found: The embeddings.
        named: Says what a row of the file (from 0) is called.

    Returns:
        What was converted, as sentences; and counts: `zero_rows` (a view of them is all zeros), `constant_dimensions`
        (one value in all rows, of the plain image) and `duplicated_rows` (the plain image is that of an earlier row).

    Raises:
        DataError: numbers are not finite, or beyond the range of float32, with their count and the first rows.
    """
    array = found.array
    kind = float_kind(array.dtype, found.name)
    seen = _Seen()
    for start in range(0, array.shape[0], rows_in_block(array.shape)):
        stored = array.read(start, min(start + rows_in_block(array.shape), array.shape[0]))
        _look(seen, stored, as_floats(stored, kind), start)
    _refuse_broken(seen, found, named)
    constant = 0
    if array.shape[0] > 1 and seen.lowest is not None and seen.highest is not None:
        constant = int((seen.lowest == seen.highest).sum())
    repeats = len(seen.digests) - len(set(seen.digests))
    counts = {"zero_rows": seen.zero_rows, "constant_dimensions": constant, "duplicated_rows": repeats}
    return _conversions(seen, array, found), counts


def check_named_values(
    found: FoundEmbeddings, paths: Sequence[str], order: np.ndarray
) -> tuple[list[str], dict[str, int]]:
    """Pass over all numbers once, as `check_values` does; messages name rows by their paths.

    Args:
        found: The embeddings.
        paths: Of each row of a table.
        order: Row of the file of each of these, shape (n,); every row of the file once.

    Raises:
        DataError: as `check_values`.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return check_values(found, lambda row: repr(printable(paths[place[row]])[:100]))


def _look(seen: _Seen, stored: np.ndarray, values: np.ndarray, start: int) -> None:
    finite = np.isfinite(values).all((1, 2))
    if not finite.all():
        rows = np.flatnonzero(~finite)
        seen.broken += (start + rows[: _SHOWN - len(seen.broken)]).tolist() if len(seen.broken) < _SHOWN else []
        seen.broken_count += len(rows)
        seen.infinite += int(np.isinf(stored[rows]).sum())
        seen.too_large += int((np.isfinite(stored[rows]) & ~np.isfinite(values[rows])).sum())
    seen.zero_rows += int((values == 0).all(2).any(1).sum())
    plain = np.ascontiguousarray(values[:, 0])
    lowest, highest = plain.min(0), plain.max(0)
    seen.lowest = lowest if seen.lowest is None else np.minimum(seen.lowest, lowest)
    seen.highest = highest if seen.highest is None else np.maximum(seen.highest, highest)
    seen.digests += [hashlib.blake2b(row, digest_size=16).digest() for row in plain]
    if stored.dtype.kind == "f" and stored.dtype.itemsize > 4:
        seen.vanished += int(((values == 0) & (stored != 0)).sum())
    elif stored.dtype.kind in "iu" and stored.dtype.itemsize > 2:
        seen.inexact += int(((stored > _EXACT) | (stored < (0 if stored.dtype.kind == "u" else -_EXACT))).sum())


def _refuse_broken(seen: _Seen, found: FoundEmbeddings, named: Callable[[int], str]) -> None:
    if not seen.broken_count:
        return
    rows = f"in {seen.broken_count:,} of {found.array.shape[0]:,} rows, such as {', '.join(map(named, seen.broken))}"
    if seen.too_large:
        expected = f"Expected embeddings within the range of float32 in {found.name}"
        raise DataError(expected, f"found {seen.too_large:,} larger numbers {rows}", "Mend or leave out these rows")
    expected = f"Expected finite embeddings in {found.name}"
    if seen.infinite and found.array.dtype == np.float16:
        said = f"found {seen.infinite:,} infinite numbers {rows}: float16 overflows beyond 65,504"
        raise DataError(expected, said, "Calculate and save them as float32, or leave out these rows")
    what = "NaN or infinity" if seen.infinite else "NaN"
    raise DataError(expected, f"found {what} {rows}", "Mend or leave out these rows")


def _conversions(seen: _Seen, array: StoredArray, found: FoundEmbeddings) -> list[str]:
    if seen.inexact:
        expected = f"Expected whole numbers of at most {_EXACT:,} as embeddings in {found.name}"
        raise DataError(expected, f"found {seen.inexact:,} larger ones", "Check that these are embeddings")
    if array.dtype.kind in "iu":
        return [f"{found.name}: whole numbers ({array.dtype}) are read as float32, without loss"]
    if array.dtype.itemsize > 4:
        lost = f"; {seen.vanished:,} numbers below 1e-45 became 0" if seen.vanished else ""
        return [f"{found.name}: {array.dtype.newbyteorder('=')} is rounded to float32 (seven digits stay){lost}"]
    if found.kind == "bfloat16":
        return [f"{found.name}: bfloat16 is read as float32, without loss"]
    return []
