"""Text from strangers as nothing but text: no terminal escape, no line break, no formula of a spreadsheet.

It imports nothing, since every worker process reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from magsig_tf.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FORMULA_SIGNS = "=+-@\t\r＝＋－＠"
"""First characters by which a spreadsheet takes a text for a formula, wide forms included.

After OWASP, "CSV Injection".
"""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.ASCII)


def printable(name: str) -> str:
    r"""Return a name with every control character and undecodable byte written as an escape such as `\x1b`."""
    if name.isprintable():
        return name  # nearly all are, and a list can have many thousands
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each of them `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet could take a text for a formula; a number such as `-3.5` is none."""
    return text[:1] in FORMULA_SIGNS and text != "" and _NUMBER.fullmatch(text) is None


def without_formula(text: str) -> str:
    """Return a text that a spreadsheet shows as text: printable, with an apostrophe before what may be a formula."""
    text = printable(text)
    return f"'{text}" if is_formula(text) else text


def check_names(names: Iterable[object], what: str) -> None:
    """Refuse names that are more than a name.

    Args:
        names: Of cases, magnifications and the like; each is looked at once.
        what: What they are, for the message.

    Raises:
        DataError: one holds a character that cannot be printed, or reads as a formula in a spreadsheet.
    """
    for name in dict.fromkeys(map(str, names)):
        if not name.isprintable():
            found = f"found {printable(name)[:100]!r} with a character that cannot be printed"
            raise DataError(f"Expected a {what} of printable characters", found, f"Correct the {what}")
        if is_formula(name):
            found = f"found {name[:100]!r}, which a spreadsheet would take for a formula"
            expected = f"Expected a {what} that does not begin with {', '.join('=+-@')}"
            raise DataError(expected, found, f"Put a letter in front of the {what}")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV whose texts are printable and no formulas to a spreadsheet; numbers stay as they are.

    Args:
        frame: What to write; its index is left out.
        path: The file; wrap it in `magsig_tf.atomic_files.replacing`.
    """
    texts = {str(name): frame[name].astype(object) for name in frame if frame[name].dtype.kind not in "biufcmM"}
    # assigned only where needed: every other column keeps its type, and so its missing values
    mended = {name: values.map(_without_formula) for name, values in texts.items() if any(map(_is_strange, values))}
    frame.assign(**mended).to_csv(path, index=False)


def _is_strange(value: object) -> bool:
    return isinstance(value, str) and without_formula(value) != value


def _without_formula(value: object) -> object:
    return without_formula(value) if isinstance(value, str) else value
