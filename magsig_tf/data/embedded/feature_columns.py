"""Which columns of a table are an embedding: those that one word and a running number name, such as f0 to f1023."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.table_text import folded
from magsig_tf.errors import DataError, UsageError, nearest

_NUMBERED = re.compile(r"(?P<word>.*?)(?P<number>[0-9]{1,6})", re.DOTALL)
_LEAST = 4
"""Columns with running numbers below which nobody means an embedding, unless it is said."""
_KNOWN = {folded(name) for ours, others in KNOWN.items() for name in (ours, *others)}


def feature_columns(header: Sequence[str], chosen: str | None, name: str) -> list[str]:
    """Return the names of the columns that are the embedding, in the order of their numbers.

    Args:
        header: Names of the columns that may hold numbers.
        chosen: The word in front of the numbers, or the name of one of the columns; None takes the only word that has
            running numbers from 0 or 1.
        name: Name of the file, for messages.

    Raises:
        UsageError: no column is named as was chosen.
        DataError: no columns have running numbers, several words have them, or a number is missing.
    """
    groups = numbered(header)
    if chosen is not None:
        found = _NUMBERED.fullmatch(chosen)
        word = chosen if chosen in groups or found is None else found["word"]
        if word not in groups:
            known = [each for each in groups if each][:50]
            raise UsageError(
                f"Expected columns {chosen!r} and a number in {name}", "found none", nearest(chosen, known)
            )
        return _complete(word, groups[word], name)
    complete = {word: columns for word, columns in groups.items() if len(columns) >= _LEAST and _gap(columns) is None}
    if len(complete) == 1:
        return _complete(*complete.popitem(), name)
    if complete:
        shown = " and ".join(f"{printable(next(iter(each.values())))}, ..." for each in list(complete.values())[:3])
        expected = f"Expected one group of columns with running numbers in {name}"
        raise DataError(expected, f"found {shown}", "Say which are the embedding: features=WORD")
    largest = max(groups, key=lambda word: len(groups[word]), default=None)
    if largest is not None and len(groups[largest]) >= _LEAST:
        return _complete(largest, groups[largest], name)
    shown = ", ".join(printable(each)[:40] for each in header[:12]) or "none"
    expected = f"Expected columns of numbers with running names such as f0, f1, f2 in {name}"
    raise DataError(expected, f"found {shown}", "Name the columns of the embedding so")


def numbered(header: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return the columns whose names end in a number, by the word before it and that number.

    Raises:
        DataError: one number is written in two ways (`f1` and `f01`).
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for column in header:
        found = _NUMBERED.fullmatch(column)
        if found is None or folded(column) in _KNOWN:
            continue
        number = int(found["number"])
        if number in groups[found["word"]]:
            both = f"found {printable(groups[found['word']][number])!r} and {printable(column)!r}"
            raise DataError("Expected one column for each number", both, "Rename one of them")
        groups[found["word"]][number] = column
    return dict(groups)


def _gap(columns: dict[int, str]) -> int | None:
    """Return the first number that is missing, None where none is."""
    first = 0 if 0 in columns else 1
    return next((number for number in range(first, first + len(columns)) if number not in columns), None)


def _complete(word: str, columns: dict[int, str], name: str) -> list[str]:
    missing = _gap(columns)
    if missing is not None:
        shown = printable(word)
        expected = f"Expected the columns {shown}0 or {shown}1 to {shown}{max(columns)} in {name}"
        raise DataError(expected, f"found {len(columns):,} columns and none for {missing}", "Write all of them")
    return [columns[number] for number in sorted(columns)]
